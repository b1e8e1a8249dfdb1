set -eu
# Who may connect: programs of this pod; everybody with a password; for backups, the superuser.
cat >/config/pg_hba.conf <<'END'
local all         all          trust
host  all         all      all scram-sha-256
host  replication postgres all scram-sha-256
END
if [ -z "${BACKUP-}" ] || [ -s "$PGDATA/PG_VERSION" ]; then
    exit 0
fi
fail() {
    echo "$1" >&2
    exit 1
}
from="/backups/$BACKUP"
[ -s "$from/base.tar.gz" ] || fail "there is no backup $BACKUP on the volume. There are: $(ls /backups | tr '\n' ' ')"
new="$PGDATA.restoring"
rm -rf "$new"
mkdir -m 700 "$new"
tar -xzf "$from/base.tar.gz" -C "$new"
tar -xzf "$from/pg_wal.tar.gz" -C "$new/pg_wal"
of_backup=$(cat "$new/PG_VERSION")
of_image=$(postgres --version)
of_image=${of_image#*) }
[ "${of_image%%.*}" = "$of_backup" ] ||
    fail "the backup $BACKUP is of PostgreSQL $of_backup and the image has $of_image: set spec.databases.builtin.image"
pg_verifybackup --quiet --no-parse-wal --manifest-path="$from/backup_manifest" "$new"
# Passwords of the platform that was copied are none of this one's: the superuser gets its own, and the Jobs of the claims give
# theirs to the other roles.
pg_ctl --pgdata="$new" --silent --wait --timeout=86400 --log=/tmp/restore.log --options="-c listen_addresses='' \
    -c unix_socket_directories=/tmp -c hba_file=/config/pg_hba.conf" start ||
    fail "the backup $BACKUP cannot be recovered: $(tail -n 5 /tmp/restore.log | tr '\n' ' ')"
psql --no-psqlrc --quiet --tuples-only --host=/tmp --username=postgres --dbname=postgres --set=ON_ERROR_STOP=1 <<'SQL'
SET log_min_error_statement = panic;
\set password `cat /run/secrets/superuser/password`
ALTER ROLE postgres PASSWORD :'password';
SELECT format('ALTER ROLE %I PASSWORD NULL', rolname) FROM pg_roles WHERE rolcanlogin AND rolname <> 'postgres' \gexec
SQL
pg_ctl --pgdata="$new" --silent --wait stop
mv "$new" "$PGDATA"
echo "restored $BACKUP"
