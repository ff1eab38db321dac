#!/usr/bin/env bats
# The forms of safeclose report: a page of text, stacks for flame graph tools, counters for Prometheus, a page for a browser.
# None of them can be made to do anything by what a log holds, nor grows with it.

load ../support/helper
load report

# columns N: standard input has no line with more.
columns()
{
    python3 -c 'import sys
long = [line for line in sys.stdin if len(line.rstrip("\n")) > int(sys.argv[1])]
sys.exit("too long: %s" % long if long else 0)' "$1"
}

# is_plain: standard input has no control character but line breaks, and is UTF-8.
is_plain()
{
    python3 -c 'import sys
text = sys.stdin.buffer.read().decode("utf-8")
bad = {c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or 0x200b <= ord(c) <= 0x202e)}
sys.exit("control characters: %r" % bad if bad else 0)'
}

# is_page FILE: well-formed, no element but those of the page, nothing from elsewhere, one script. Prints its text.
is_page()
{
    python3 - "$1" <<'END'
import html.parser
import sys

ELEMENTS = set("""html head meta title style body header h1 h2 h3 h4 p dl dt dd div main section svg g rect line text
table thead tbody tr th td a article span code ol li ul label input button output footer script""".split())
VOID = {"meta", "input"}

class Page(html.parser.HTMLParser):
    stack, scripts, text = [], 0, []

    def handle_starttag(self, tag, attributes):
        assert tag in ELEMENTS, tag
        for name, value in attributes:
            assert not name.startswith("on") and name not in ("src", "style", "srcdoc"), name
            assert name != "href" or value.startswith("#"), value
        self.scripts += tag == "script"
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert tag in ("rect", "line"), tag

    def handle_endtag(self, tag):
        assert self.stack and self.stack[-1] == tag, (tag, self.stack)
        self.stack.pop()

    def handle_data(self, data):
        if not self.stack or self.stack[-1] not in ("script", "style"):
            self.text.append(data)

source = open(sys.argv[1], encoding="utf-8").read()
page = Page()
page.feed(source)
page.close()
assert not page.stack, page.stack
assert page.scripts == 1, page.scripts
assert "http:" not in source and "https:" not in source
assert "default-src 'none'" in source
print("\n".join(page.text))
END
}

# ---- text -----------------------------------------------------------------------------------------

@test "a page of text fits 80 columns, whatever the log holds; -w is wider" {
    for what in 'mixed 500' hostile broken lingering 'sites 200'; do
        # shellcheck disable=SC2086 # a name and its argument
        makes $what
        for by in site cause peer port process host; do
            report --by "$by" log >page
            columns 80 <page
            is_plain <page
        done
    done
    makes hostile
    report -w log >page
    run ! columns 80 <page
    is_plain <page
}

@test "the first lines say how many resets, what was lost and where" {
    makes mixed 500
    run -0 report log
    matches '^[0-9]+ resets in 1,500 TCP closes, from [0-9]+ call sites\. Up to [0-9.]+ MB of output' "$output"
    matches 'resets +lost up to +cause +where' "$output"
    matches '12 events not logged' "$output"
    matches '3 log lines lost' "$output"
}

@test "colours are for terminals" {
    makes mixed 20
    report log >page
    run ! grep -q $'\033' page
    TERM=xterm script -qc "'$safeclose' report log" /dev/null >page
    grep -q $'\033\[1m' page
    NO_COLOR=1 TERM=xterm script -qc "'$safeclose' report log" /dev/null >page
    run ! grep -q $'\033' page
}

# ---- stacks -----------------------------------------------------------------------------------------

@test "folded stacks have the form that flame graph tools read, and sum up to the resets" {
    makes mixed 500
    report --folded log >folded
    run ! grep -vE '^[^ ;]+(;[^;]+)* [0-9]+$' folded
    same "$(report --json log | jq .totals.resets)" "$(awk '{ n += $NF } END { print n }' folded)"
    report --folded --weight lost log >folded
    same "$(report --json log | jq .totals.lost_at_most)" "$(awk '{ n += $NF } END { printf "%d\n", n }' folded)"
    matches '^server;server\+0x99;server\+0x(10|20|30);\[unread-data\] [0-9]+$' "$(head -n 1 folded)"
}

@test "hostile names are one frame of one line" {
    makes hostile
    report --folded log >folded
    is_plain <folded
    run ! grep -vE '^[^;]+(;[^;]+)* [0-9]+$' folded
    same 5 "$(wc -l <folded)"
}

# ---- Prometheus ----------------------------------------------------------------------------------------

@test "counters for Prometheus have its form, and the numbers of jq" {
    makes mixed 500
    report --prometheus log >counters
    run ! grep -vE '^(# (HELP|TYPE) safeclose_[a-z_]+_total .+|safeclose_[a-z_]+_total(\{program="([^"\\]|\\.)*",cause="([^"\\]|\\.)*"\})? [0-9]+)$' counters
    same "$(jq -s 'map(select(.event == "close" and .cause == "zero-linger" and .outcome == "rst")) | length' log)" \
        "$(sed -n 's/^safeclose_resets_total{program="server",cause="zero-linger"} //p' counters)"
    same 'safeclose_suppressed_events_total 12' "$(grep ^safeclose_suppressed counters)"
    makes hostile
    report --prometheus log >counters
    is_plain <counters
    run ! grep -vE '^(# .*|safeclose_[a-z_]+_total(\{program="([^"\\]|\\.)*",cause="([^"\\]|\\.)*"\})? [0-9]+)$' counters
}

@test "no counter falls while a log grows" {
    makes lingering
    for _ in 1 2 3 4 5 6; do
        read -r line
        echo "$line" >>grows
        report --prometheus grows | sed -n 's/^\(safeclose_.*\) /\1\t/p' | sort >now
        [ ! -e before ] || join -t $'\t' before now | awk -F '\t' '$3 < $2 { print; bad = 1 } END { exit bad }'
        mv now before
    done <log
    same 2 "$(sed -n 's/^safeclose_acted_total.*\t//p' before)"
    same 1 "$(sed -n 's/^safeclose_acted_resets_total.*\t//p' before)"
}

# ---- a page for a browser -----------------------------------------------------------------------------

@test "the page has the numbers, the sites and what to do, and needs nothing from elsewhere" {
    makes mixed 500
    run -0 report --html page.html log
    matches '^[0-9]+ resets in 1,500 TCP closes' "$output"
    text=$(is_page page.html)
    resets=$(report --json log | jq .totals.resets)
    matches $'\n'"$resets"$'\n' "$text"
    matches 'shutdown\(fd, SHUT_WR\), read to EOF' "$text"
    matches '10\.0\.0\.[1-8]' "$text"
    matches 'server\[1[0-3]\]' "$text"
    # The boxes of a level are as wide as the whole, and the bars as many as the resets.
    same "$resets" "$(grep -oE 'y="0" [^>]*data-n="[0-9]+"' page.html | tr -d '"' |
        awk -F= '{ n += $NF } END { print n }')"
}

@test "markup in a log is text on the page" {
    makes hostile
    report --html page.html log
    text=$(is_page page.html)
    matches '<script>alert\(1\)</script>' "$text"
    is_plain <page.html
}

@test "the chart has a name for what it has no colour for" {
    makes causes 6
    report --html page.html log >/dev/null
    matches 'cause-4</span> <span class="cause c5">cause-5</span>' "$(grep legend page.html)"
    makes causes 8
    report --html page.html log >/dev/null
    matches 'cause-4</span> <span class="cause c5">other</span>' "$(grep legend page.html)"
}

@test "a page is written over a report, and over nothing else" {
    makes mixed 20
    report --html page.html log >/dev/null
    makes mixed 30
    report --html page.html log >/dev/null
    matches '90' "$(is_page page.html)"
    same 644 "$(stat -c %a page.html)"
    echo precious >precious
    mkfifo pipe
    for row in 'precious|it exists, and is not a report' '.|it is a directory' 'pipe|it is no regular file' \
        'nowhere/page|No such file or directory'; do
        run -125 --separate-stderr "$safeclose" report --html "${row%%|*}" log
        same "safeclose: unable to write the report to \"${row%%|*}\": ${row#*|}" "$stderr"
    done
    same precious "$(<precious)"
    same '' "$(find . -name '*.??????' ! -name 'page.html')"
    report --html - log >other.html
    is_page other.html >/dev/null
}

@test "a link to a page stays a link, and a page keeps its mode" {
    makes mixed 20
    mkdir pages
    report --html pages/real.html log >/dev/null
    chmod 640 pages/real.html
    ln -s pages/real.html link.html
    makes mixed 30
    report --html link.html log >/dev/null
    same pages/real.html "$(readlink link.html)"
    same 640 "$(stat -c %a pages/real.html)"
    matches '90' "$(is_page pages/real.html)"
    ln -s nowhere.html dangling.html
    run -125 --separate-stderr "$safeclose" report --html dangling.html log
    same 'safeclose: unable to write the report to "dangling.html": No such file or directory' "$stderr"
    same nowhere.html "$(readlink dangling.html)"
}

@test "a page that can't be finished leaves nothing behind, and a file that comes meanwhile alone" {
    "$safeclose" run -m log -o log "$programs/speaker" unread
    run -143 strace -qq -o trace -e inject=fchmod:signal=SIGTERM "$safeclose" report --html page.html log
    matches 'fchmod' "$(<trace)"
    same '' "$(find . -name 'page.html*')"
    # Names are looked up while the page is written, by somebody without root's rights.
    mkdir bin place
    chmod a+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" .
    chmod 777 place
    printf '#!/bin/sh\necho precious >"%s/place/page.html"\n' "$PWD" >bin/addr2line
    chmod +x bin/addr2line
    PATH=$PWD/bin:$PATH run -125 --separate-stderr "$safeclose" report --html place/page.html log
    matches 'unable to write the report to "place/page.html": File exists$' "$stderr"
    same precious "$(cat place/page.html*)"
}

# ---- bounds -------------------------------------------------------------------------------------------

@test "more call sites than fit are summed up, and a heavy one among them keeps its numbers" {
    makes sites 60000
    run -0 report log
    matches '60,600 resets, from more than [0-9,]+ call sites' "$output"
    matches 'rare groups summed up as the rest' "$output"
    report --json log >report.json
    same '[60600,600,600000]' "$(jq -c '[.totals.resets, .groups[0].resets, .groups[0].lost_at_most]' report.json)"
    same /srv/heavy "$(jq -r '.groups[0].stack[0].module' report.json)"
    report --html page.html log >/dev/null
    (($(stat -c %s page.html) < 1000000))
}

@test "a long log takes no more memory than a short one" {
    peak()
    {
        python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$@"
    }
    makes sites 100000
    (($(peak "$safeclose" report log) < 65536))
    # A page keeps fewer stacks, because it keeps peers and processes.
    makes deep 33000
    (($(peak "$safeclose" report --html page.html log) < $(peak "$safeclose" report log)))
    makes mixed 1000
    short=$(peak "$safeclose" report log)
    for _ in {1..50}; do cat log; done >long
    (($(peak "$safeclose" report long) < short + 4096))
}
