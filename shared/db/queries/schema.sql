-- Alembic's own table.

-- name: is_migrated
select to_regclass('alembic_version') is not null

-- name: schema_revision
select version_num from alembic_version
