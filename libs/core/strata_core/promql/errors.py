"""What can be wrong with a query, as Prometheus tells it apart."""

from strata_datamodel.errors import InvalidError


class PromqlParseError(InvalidError):
    """Not PromQL: `1:7: parse error: …`, with line and column."""

    code = "promql_parse"

    def __init__(self, text: str, at: int, what: str) -> None:
        line = text.count("\n", 0, at) + 1
        column = at - (text.rfind("\n", 0, at) + 1) + 1
        super().__init__(f"{line}:{column}: parse error: {what}")


class PromqlRequestError(InvalidError):
    """A parameter beside the query is wrong."""

    code = "promql_request"


class PromqlExecutionError(InvalidError):
    """PromQL that these series have no answer to."""

    code = "promql_execution"


class PromqlUnsupportedError(InvalidError):
    """PromQL that is not in the subset here. Names the construct."""

    code = "promql_unsupported"

    def __init__(self, construct: str) -> None:
        super().__init__(f"{construct} is not supported", hint="docs/guide/promql.md lists what is")
