import psycopg
import redis

from strata_stores.embedded.postgres import EmbeddedPostgres
from strata_stores.embedded.valkey import EmbeddedValkey


def test_the_shared_postgres_answers_on_the_socket_it_names(embedded_postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(embedded_postgres.url()) as connection:
        row = connection.execute("SELECT current_database(), current_setting('listen_addresses')").fetchone()
    assert row == ("strata", "")


def test_the_shared_valkey_answers_on_the_socket_it_names(embedded_valkey: EmbeddedValkey) -> None:
    with redis.Redis.from_url(embedded_valkey.url()) as client:
        assert client.ping()
        assert client.config_get("port") == {"port": "0"}
