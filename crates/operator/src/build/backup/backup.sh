set -eu
cd /backups
unfinished=".$NAME.unfinished"
case "$NAME" in
# No other of the schedule runs: what such have left when they were killed is of no use.
"$SCHEDULE"-[0-9]*) rm -rf ".$SCHEDULE"-[0-9]*.unfinished ;;
*) rm -rf "$unfinished" ;;
esac
if [ -e "$NAME" ]; then
    # It was killed after it had done its work.
    [ "$(cat "$NAME/job")" != "$JOB" ] || exit 0
    echo "there is a backup $NAME already: give the Job another name" >&2
    exit 1
fi
# The whole server as of the moment at which this ends, and so all databases as of the same.
pg_basebackup --username=postgres --no-password --label="$NAME" --checkpoint=fast --wal-method=stream \
    --format=tar --gzip --pgdata="$unfinished"
echo "$JOB" >"$unfinished/job"
mv "$unfinished" "$NAME"
# Names end with the minute for which they were due.
for old in $(ls -d "$SCHEDULE"-[0-9]* 2>/dev/null | sort -r | tail -n "+$((KEEP + 1))"); do
    rm -rf "$old"
done
