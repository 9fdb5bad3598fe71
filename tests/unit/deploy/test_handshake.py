"""What a broker's first frame tells."""

from deploy.local.handshake import version_in

_FRAME = b"\x01\x00\x00\x00\x00\x01\xf8\x00\x0a\x00\x0a\x00\x09\x00\x00\x01\xd3"


def test_the_version_is_read_from_the_server_properties() -> None:
    properties = b"\x07productS\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x063.10.8"

    assert version_in(_FRAME + properties) == "3.10.8"


def test_another_protocol_is_no_broker() -> None:
    assert version_in(b"HTTP/1.1 400 Bad Request") is None
    assert version_in(b"") is None


def test_a_broker_that_hides_its_version_is_still_one() -> None:
    assert version_in(_FRAME) == "of unknown version"
