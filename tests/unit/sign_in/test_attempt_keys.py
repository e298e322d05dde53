import pytest

from strata_core.sign_in.limits import fingerprint, sign_in_keys, site_of


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        (None, "unknown", True),
        ("a socket", "a socket", True),
    ],
)
def test_who_can_take_many_addresses_is_counted_once(one, other, is_same):
    assert (site_of(one) == site_of(other)) == is_same


def test_no_two_subjects_share_a_key():
    keys = [*sign_in_keys("a@b.test", "192.0.2.7"), *sign_in_keys("a@b.tes", "t192.0.2.7")]
    assert len({key.key_hash for key in keys}) == 6
    assert len(fingerprint(keys).split(" ")) == 6
    assert "a@b.test" not in fingerprint(keys)
