"""What XMP and IPTC name of a place, a person or a document is kept out of what stands with the bytes, too."""

from alembic import op

revision = "r71_xmp_and_iptc"
down_revision = "r78_findings"
branch_labels = None
depends_on = None

BEFORE = (
    *("gps", "latitude", "longitude", "location", "location_name", "artist", "author", "copyright", "description"),
    *("title", "comment", "user_comment", "host_computer", "body_serial_number", "lens_serial_number", "owner_name"),
    *("altitude_m", "direction_degrees", "destination_latitude", "destination_longitude", "area", "method"),
    *("image_unique_id", "serial_number", "content_identifier", "document_id", "photographer", "image_editor"),
)
IDENTIFYING = (
    *BEFORE,
    *("original_document_id", "headline", "credit", "caption_writer", "keywords", "city", "region", "country"),
)
"""Members of a decoder's groups of claims that the worker seals; no decoding has had the new ones yet."""

FUNCTION = """
CREATE OR REPLACE FUNCTION exhibit_is_open_claim(claims jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT EXISTS (
        SELECT FROM jsonb_each(claims) AS member (name, value)
        WHERE name <> 'sealed' AND jsonb_typeof(value) = 'object' AND value ?| ARRAY[{names}])
$$;
"""


def _create(names: tuple[str, ...]) -> None:
    op.get_bind().exec_driver_sql(FUNCTION.format(names=", ".join(f"'{name}'" for name in names)))


def upgrade() -> None:
    _create(IDENTIFYING)


def downgrade() -> None:
    _create(BEFORE)
