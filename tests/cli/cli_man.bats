#!/usr/bin/env bats
# The man pages: no tool that formats them complains, and what they say of settings, causes and options
# is what the tables of shim/ and the command have.

load ../support/helper

safeclose=$top/safeclose
pages=${BUILD:-$top/build}/man

# names TABLE: the name of every row of TABLE.def in shim/.
names()
{
    sed -nE "s/^[A-Z]+\([A-Za-z0-9_]+, \"([^\"]*)\".*/\1/p" "$top"/shim/*/"$1.def"
}

# page NAME: as text, without overstriking.
page()
{
    groff -mdoc -Tutf8 -P-cbu "$pages/$1"
}

@test "mandoc has nothing to say" {
    for page in safeclose.1 libsafeclose.7; do
        run mandoc -T lint -W style "$pages/$page"
        # Pages that are not installed where the test runs are no fault of this one.
        same '' "$(grep -vE 'referenced manual not found|outdated mandoc.db' <<<"$output" || true)"
    done
}

@test "mandoc would say something" {
    { cat "$pages/safeclose.1"; echo '.Nonsense'; } >"$BATS_TEST_TMPDIR/bad.1"
    run mandoc -T lint -W style "$BATS_TEST_TMPDIR/bad.1"
    matches 'unknown macro' "$output"
}

@test "groff has nothing to say" {
    for page in safeclose.1 libsafeclose.7; do
        run -0 groff -ww -mdoc -Tutf8 -z "$pages/$page"
        same '' "$output"
    done
}

@test "libsafeclose(7) has every setting, with what is allowed" {
    text=$(page libsafeclose.7)
    count=0
    while read -r name; do
        matches "SAFECLOSE_$name"$'\n' "$text"
        count=$((count + 1))
    done < <(names options)
    ((count >= 10))
    text=$(tr -s '\n ' ' ' <<<"$text") # wherever a line ends
    matches 'Allowed: off, log, warn, drain or linger' "$text"
    matches 'Default: 64M' "$text"
}

@test "libsafeclose(7) has a chapter CAUSES with every cause, and what to do" {
    causes=$(page libsafeclose.7 | sed -n '/^CAUSES/,/^JSON/p')
    count=0
    while read -r name; do
        matches $'\n'" +$name"$'\n'"|$name +There" "$causes"
        count=$((count + 1))
    done < <(names causes)
    ((count >= 4))
    matches 'What to do: *shutdown\(fd, +SHUT_WR\)' "$(tr -s '\n ' ' ' <<<"$causes")"
}

@test "libsafeclose(7) has every note, every end and every door" {
    text=$(page libsafeclose.7)
    for table in reasons ends doors; do
        while read -r name; do
            [[ -z $name ]] || grep -qw -- "$name" <<<"$text" || fail "not in the page: $name"
        done < <(names "$table")
    done
}

@test "libsafeclose(7) has every key that events have" {
    text=$(page libsafeclose.7)
    "$safeclose" run -m linger --events=all -o "$BATS_TEST_TMPDIR/log" "$programs/speaker" unread clean
    while read -r key; do
        grep -qw -- "$key" <<<"$text" || fail "not in the page: $key"
    done < <(json "$BATS_TEST_TMPDIR/log" 'print(*{key for e in events for key in e}, sep="\n")')
}

@test "safeclose(1) has every option that --help has, and no other" {
    options()
    {
        grep -oE -- '--[a-z][a-z-]+' | sort -u
    }
    for command in run check report watch; do
        "$safeclose" "$command" --help
    done | options >"$BATS_TEST_TMPDIR/help"
    # Two are Node's.
    page safeclose.1 | grep -vE -- '--(version|perf-basic-prof|interpreted-frames)' | options | grep -vx -- --setting >"$BATS_TEST_TMPDIR/page"
    run -0 diff "$BATS_TEST_TMPDIR/help" "$BATS_TEST_TMPDIR/page"
}

@test "the pages name no command that there is not" {
    while read -r word; do
        run -0 "$safeclose" "$word" --help
    done < <(sed -n 's/^\.Cm \([a-z]*\).*/\1/p' "$pages"/*.[17] | sort -u)
}

@test "their day is that of the newest version, which the manifest's image has, too" {
    version=$("$top/scripts/package/version")
    day=$(sed -n "s/^## $version, //p" "$top/scripts/package/CHANGELOG.md")
    for page in safeclose.1 libsafeclose.7; do
        same "$day" "$(date -u -d "$(sed -n 's/^\.Dd //p' "$pages/$page")" +%F)"
    done
    same "registry.example/safeclose:$version" "$(sed -n 's/^ *image: \(.*safeclose:.*\)/\1/p' "$pages/libsafeclose.7")"
}
