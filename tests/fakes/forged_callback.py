"""What a forger names in a job: importable, and it remembers whether anybody called it."""

CALLS: list[object] = []


def called(*arguments: object) -> None:
    CALLS.append(arguments)
