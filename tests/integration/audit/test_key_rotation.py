"""Keys are rotated while values are written and read; nothing is lost, and nothing opens in another's place."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from fixtures.relational import Database, TwoOrganizations
from strata_cli.rotation import Keys, Rotated, rewrap_all, rotate_data_key
from strata_core.key_rotation.commands import begin_rotation, reseal
from strata_core.key_rotation.places import OF_ORGANIZATIONS, OF_PEOPLE, SealedColumn
from strata_core.notifying.webhooks import secret_place
from strata_core.people.legacy import secrets_place
from strata_core.ports.secret_box import SecretPlace
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import DeniedError
from strata_datamodel.ids import PEOPLE, OrganizationId, WebhookId, uuid7
from strata_datamodel.limits import RESEALED_PER_PASS
from strata_datamodel.tables.all import legacy_users, metadata, users, webhooks
from strata_datamodel.tables.sign_in import totp_secrets
from strata_stores.clock import ShiftedClock
from strata_stores.postgres.data_keys import PostgresDataKeys
from strata_stores.secrets.box import AesGcmSecretBox
from strata_stores.secrets.keyring import WrappingKey, WrappingKeyring

OLD, NEW = WrappingKey(b"o" * 32), WrappingKey(b"n" * 32)


@dataclass
class World:
    organization_id: OrganizationId
    other: OrganizationId
    system_units: SystemUnitsOfWork
    units: UnitsOfWork
    database: Database
    clock: ShiftedClock

    def box(self, *wrapping: WrappingKey, current_s: float = 0.1) -> AesGcmSecretBox:
        """As another process has it."""
        return AesGcmSecretBox(
            PostgresDataKeys(self.system_units), WrappingKeyring(wrapping or (OLD,)), self.clock, current_s=current_s
        )

    def add(self, box: AesGcmSecretBox, number: int) -> UUID:
        webhook_id = WebhookId(uuid7(1_800_000_000_000))
        sealed = box.seal(secret_place(self.organization_id, webhook_id), f"secret {number}".encode())
        values = {"url": "https://x.test", "secret_sealed": sealed, "event_kinds": ["alert.fired"]}
        with self.units.organization(self.organization_id) as uow:
            ids = {"organization_id": self.organization_id, "id": webhook_id, "name": f"w{webhook_id}"}
            uow.execute(insert(webhooks).values(**ids, **values))
        return webhook_id

    def opened(self, box: AesGcmSecretBox, webhook_id: UUID) -> str:
        with self.system_units.organization(self.organization_id) as uow:
            sealed = uow.execute(select(webhooks.c.secret_sealed).where(webhooks.c.id == webhook_id)).scalar_one()
        return box.open(secret_place(self.organization_id, WebhookId(webhook_id)), bytes(sealed)).decode()

    def rotate(self, box: AesGcmSecretBox, settle_s: float = 0.0) -> Rotated:
        keys = Keys(PostgresDataKeys(self.system_units), box, self.clock)
        unit = lambda: self.system_units.organization(self.organization_id)  # noqa: E731
        return rotate_data_key(keys, self.organization_id, unit, OF_ORGANIZATIONS, settle_s)

    def versions(self) -> set[int]:
        return {bytes(row["secret_sealed"])[4] for row in self.database.rows("SELECT secret_sealed FROM webhooks")}


@pytest.fixture
def world(
    two_organizations: TwoOrganizations,
    system_units: SystemUnitsOfWork,
    units: UnitsOfWork,
    database: Database,
    shifted_clock: ShiftedClock,
    second_unmoved: None,
) -> World:
    return World(two_organizations.first, two_organizations.second, system_units, units, database, shifted_clock)


def test_every_sealed_column_is_rotated() -> None:
    sealed = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if column.name.endswith("_sealed")
    }
    assert sealed == {column.name for column in (*OF_ORGANIZATIONS, *OF_PEOPLE)}


@dataclass
class Load:
    """Three processes beside the rotation, each with a box of its own, until `stop`."""

    world: World
    written: dict[UUID, str]
    stop: threading.Event = field(default_factory=threading.Event)
    failures: list[str] = field(default_factory=list)

    def write(self) -> None:
        box, number = self.world.box(), 1_000
        while not self.stop.is_set():
            number += 1
            self.written[self.world.add(box, number)] = f"secret {number}"

    def change(self) -> None:
        """The same rows again and again, so that the rotation meets values that move under it."""
        box, ids = self.world.box(), list(self.written)[:20]
        while not self.stop.is_set():
            for webhook_id in ids:
                self._change(box, webhook_id)

    def read(self) -> None:
        box = self.world.box()
        while not self.stop.is_set():
            for webhook_id in list(self.written)[:50]:
                assert self.world.opened(box, webhook_id) == self.written[webhook_id]

    def guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - shown by the test's assertion
            self.failures.append(repr(error))

    def _change(self, box: AesGcmSecretBox, webhook_id: UUID) -> None:
        place = secret_place(self.world.organization_id, WebhookId(webhook_id))
        with self.world.system_units.organization(self.world.organization_id) as uow:
            sealed = box.seal(place, self.written[webhook_id].encode())
            uow.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(secret_sealed=sealed))


def test_a_rotation_under_load_loses_nothing_and_ends_with_one_key(world: World) -> None:
    writer_box = world.box()
    load = Load(world, {world.add(writer_box, number): f"secret {number}" for number in range(500)})
    threads = [threading.Thread(target=load.guarded, args=(work,)) for work in (load.write, load.change, load.read)]
    for thread in threads:
        thread.start()
    try:
        done = world.rotate(world.box(), settle_s=0.8)
    finally:
        load.stop.set()
        for thread in threads:
            thread.join()
    assert load.failures == []
    assert (done.version, done.retired, done.unreadable) == (2, 1, 0)
    assert done.resealed >= 480
    assert world.versions() == {2}
    fresh = world.box()
    assert {webhook_id: world.opened(fresh, webhook_id) for webhook_id in load.written} == load.written


def test_a_rotation_that_was_broken_off_is_taken_up(world: World) -> None:
    box = world.box()
    ids = [world.add(box, number) for number in range(3)]
    keys = PostgresDataKeys(world.system_units)
    assert begin_rotation(keys, box, world.organization_id).version == 2
    world.add(box, 3)
    assert world.versions() == {1, 2}
    done = world.rotate(world.box())
    assert (done.version, done.resealed, done.was_resumed) == (2, 3, True)
    assert world.versions() == {2}
    assert world.opened(world.box(), ids[0]) == "secret 0"
    assert (world.rotate(world.box()).version, world.versions()) == (3, {3})


def test_a_ciphertext_that_was_moved_is_refused_before_and_after_and_ends_no_rotation(world: World) -> None:
    box = world.box()
    first, second = world.add(box, 1), world.add(box, 2)
    world.database.run(
        "UPDATE webhooks SET secret_sealed = (SELECT secret_sealed FROM webhooks WHERE id = %s) WHERE id = %s",
        first,
        second,
    )
    with pytest.raises(DeniedError):
        world.opened(box, second)
    done = world.rotate(box)
    assert (done.resealed, done.unreadable) == (1, 1)
    assert world.opened(world.box(), first) == "secret 1"
    with pytest.raises(DeniedError):
        world.opened(world.box(), second)


def test_a_value_that_changed_meanwhile_is_not_overwritten(world: World) -> None:
    box = world.box()
    webhook_id = world.add(box, 1)
    rotation = begin_rotation(PostgresDataKeys(world.system_units), box, world.organization_id)
    place = secret_place(world.organization_id, WebhookId(webhook_id))

    class Interfering(AesGcmSecretBox):
        def open(self, place: SecretPlace, ciphertext: bytes) -> bytes:
            plaintext = super().open(place, ciphertext)
            world.database.run("UPDATE webhooks SET secret_sealed = %s", box.seal(place, b"newer"))
            return plaintext

    interfering = Interfering(PostgresDataKeys(world.system_units), WrappingKeyring([OLD]), world.clock)
    column = SealedColumn(webhooks, "secret_sealed")
    done = reseal(lambda: world.system_units.organization(world.organization_id), interfering, column, rotation)
    assert done == 0
    assert world.opened(world.box(), webhook_id) == "newer"
    assert box.open(place, box.seal(place, b"x")) == b"x"


def test_secrets_of_people_are_rotated_under_their_own_key(world: World) -> None:
    box, user_id = world.box(), uuid7(1_800_000_000_000)
    place = SecretPlace(PEOPLE, "totp_secrets", "secret_sealed", user_id)
    with world.system_units.system() as uow:
        uow.execute(insert(users), {"id": user_id, "email": "ada@acme.test"})
        uow.execute(insert(totp_secrets), {"user_id": user_id, "secret_sealed": box.seal(place, b"seed")})
    keys = Keys(PostgresDataKeys(world.system_units), box, world.clock)
    done = rotate_data_key(keys, PEOPLE, world.system_units.system, OF_PEOPLE, 0.0)
    assert (done.version, done.resealed, done.unreadable) == (2, 1, 0)
    (row,) = world.database.rows("SELECT secret_sealed FROM totp_secrets")
    assert world.box().open(place, bytes(row["secret_sealed"])) == b"seed"


def test_secrets_of_imported_users_are_rotated_page_by_page(world: World) -> None:
    box, count = world.box(), RESEALED_PER_PASS + 3
    with world.system_units.system() as uow:
        for number in range(count):
            user_id, source = uuid7(1_800_000_000_000), f"crm {number % 2}"
            uow.execute(insert(users), {"id": user_id, "email": f"{number}@acme.test"})
            sealed = box.seal(secrets_place(world.organization_id, source, number), str(number).encode())
            ids = {"organization_id": world.organization_id, "source": source, "legacy_id": number}
            uow.execute(insert(legacy_users), {**ids, "user_id": user_id, "secrets_sealed": sealed})
    assert world.rotate(box).resealed == count
    rows = world.database.rows("SELECT source, legacy_id, secrets_sealed FROM legacy_users")
    assert {bytes(row["secrets_sealed"])[4] for row in rows} == {2}
    for row in rows:
        place = secrets_place(world.organization_id, str(row["source"]), int(str(row["legacy_id"])))
        assert world.box().open(place, bytes(row["secrets_sealed"])) == str(row["legacy_id"]).encode()


def test_after_wrapping_anew_the_old_wrapping_key_may_go(world: World) -> None:
    box = world.box()
    webhook_id = world.add(box, 1)
    world.rotate(box)  # leaves a retired key, which has to be wrapped anew too
    index = box.blind_index(world.organization_id, "ip", b"x")
    assert rewrap_all(world.system_units, world.box(NEW, OLD)) == 3
    assert rewrap_all(world.system_units, world.box(NEW, OLD)) == 0
    alone = world.box(NEW)
    assert world.opened(alone, webhook_id) == "secret 1"
    assert alone.blind_index(world.organization_id, "ip", b"x") == index
    assert {row["wrapping_key_id"] for row in world.database.rows("SELECT * FROM data_keys")} == {NEW.key_id}
    audited = world.database.rows("SELECT action FROM audit_log WHERE action = 'data_key.rewrap'")
    assert len(audited) == 1


def test_processes_without_the_new_wrapping_key_read_on_from_memory_and_from_both_keys(world: World) -> None:
    running = world.box(OLD)
    webhook_id = world.add(running, 1)
    rewrap_all(world.system_units, world.box(NEW, OLD))
    assert world.opened(running, webhook_id) == "secret 1"
    with pytest.raises(DeniedError):
        world.opened(world.box(OLD), webhook_id)
