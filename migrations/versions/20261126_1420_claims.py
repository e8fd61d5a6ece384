"""What a file claims of a person, a place or a device is sealed per item and stands nowhere else.

Decodings lose what they held of it: from now on a job reads it from the bytes into each item's own stream, and the
items that were settled before get it when they are decoded again.
"""

from alembic import op

revision = "r33_claims"
down_revision = "r34_decoding_again"
branch_labels = None
depends_on = None

IDENTIFYING = (
    *("gps", "latitude", "longitude", "location", "location_name", "artist", "author", "copyright", "description"),
    *("title", "comment", "user_comment", "host_computer", "body_serial_number", "lens_serial_number", "owner_name"),
    *("altitude_m", "direction_degrees", "destination_latitude", "destination_longitude", "area", "method"),
    *("image_unique_id", "serial_number", "content_identifier", "document_id", "photographer", "image_editor"),
)
"""Members of a decoder's groups of claims that the worker seals; what of ``gps`` is open stands beside ``exif``."""

STRIP = """
ALTER TABLE decodings DISABLE TRIGGER decodings_fixed;
UPDATE decodings SET claims = (
    SELECT coalesce(jsonb_object_agg(name, CASE
        WHEN jsonb_typeof(value) = 'object' THEN value - ARRAY[{names}] ELSE value END), '{{}}')
    FROM jsonb_each(claims) AS member (name, value)
) WHERE claims ?| ARRAY['exif', 'container_tags'];
ALTER TABLE decodings ENABLE TRIGGER decodings_fixed;
"""

FUNCTION = """
CREATE FUNCTION exhibit_is_open_claim(claims jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT EXISTS (
        SELECT FROM jsonb_each(claims) AS member (name, value)
        WHERE name <> 'sealed' AND jsonb_typeof(value) = 'object' AND value ?| ARRAY[{names}])
$$;
COMMENT ON FUNCTION exhibit_is_open_claim(jsonb) IS
    'Whether claims kept with the bytes hold nothing that identifies a person, a place or a device.';
ALTER TABLE decodings ADD CONSTRAINT ck_decodings_claims_open CHECK (exhibit_is_open_claim(claims));
"""


def upgrade() -> None:
    names = ", ".join(f"'{name}'" for name in IDENTIFYING)
    connection = op.get_bind()
    connection.exec_driver_sql(STRIP.format(names=names))
    connection.exec_driver_sql(FUNCTION.format(names=names))


def downgrade() -> None:
    op.execute("ALTER TABLE decodings DROP CONSTRAINT ck_decodings_claims_open")
    op.execute("DROP FUNCTION exhibit_is_open_claim(jsonb)")
