# shellcheck shell=bash
# What scripts/servers found, for the files that let it run in setup_file(). Load it behind helper.

# result_of NAME MODE: fills received, written, end, resets.
result_of()
{
    local line
    line=$(grep "^$1|$2|" "$BATS_FILE_TMPDIR/results") ||
        fail "no result of $1, $2: $(<"$BATS_FILE_TMPDIR/errors")"
    IFS='|' read -r _ _ received written end _ resets <<<"$line"
}
