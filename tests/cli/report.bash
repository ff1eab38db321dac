# shellcheck shell=bash
# What the tests of `safeclose report` share. Load it after helper.

# shellcheck disable=SC2154 # $top is the helper's
safeclose=$top/safeclose

setup()
{
    cd "$BATS_TEST_TMPDIR" || return
}

# makes WHAT [ARGUMENT...]: a log of report_log.py in the file log.
makes()
{
    python3 "$BATS_TEST_DIRNAME/report_log.py" "$@" >log
}

report()
{
    "$safeclose" report "$@"
}
