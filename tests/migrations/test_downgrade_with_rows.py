"""Nothing that people need is lost on the way back, and no row stands in its way."""

from uuid import uuid4

from fixtures.relational import Database, TwoOrganizations
from strata_stores.postgres.migrating import downgrade, upgrade

IN_USERS = "SELECT id, password_hash FROM users ORDER BY password_hash NULLS LAST"
APART = "SELECT user_id AS id, password_hash FROM password_hashes ORDER BY password_hash"
LETTERS = "SELECT reason, state FROM dead_letters ORDER BY reason"


def test_the_hashes_of_passwords_go_back_to_their_people_and_apart_again(own_database: Database) -> None:
    downgrade(own_database.admin_url, "0010")
    first, second, without = (uuid4() for _ in range(3))
    for user_id, password_hash in ((first, "$argon2id$1"), (second, "$argon2id$2"), (without, None)):
        own_database.run(
            "INSERT INTO users (id, email, password_hash) VALUES (%s, %s, %s)",
            user_id,
            f"{user_id}@example.test",
            password_hash,
        )
    held = own_database.rows(IN_USERS)
    upgrade(own_database.admin_url)
    assert own_database.rows(APART) == held[:2]
    downgrade(own_database.admin_url, "0010")
    assert own_database.rows(IN_USERS) == held
    upgrade(own_database.admin_url)
    assert own_database.rows(APART) == held[:2]


def test_letters_that_are_being_replayed_are_open_again(
    own_database: Database, two_organizations: TwoOrganizations
) -> None:
    for organization_id in (two_organizations.first, two_organizations.second):
        for state in ("open", "replaying", "replayed"):
            own_database.run(
                "INSERT INTO dead_letters"
                " (organization_id, signal, store, reason, item_count, content, content_format, state)"
                " VALUES (%s, 'metrics', 'metrics', %s, 1, 'x', 'text', %s)",
                organization_id,
                state,
                state,
            )
    downgrade(own_database.admin_url, "0016")
    states = [("open", "open"), ("replayed", "replayed"), ("replaying", "open")]
    assert [(row["reason"], row["state"]) for row in own_database.rows(LETTERS)] == [
        each for each in states for _ in range(2)
    ]
    upgrade(own_database.admin_url)
