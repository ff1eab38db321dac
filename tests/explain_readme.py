"""The README's tables of contents and of meanings, as content.def and causes.def have them.

    explain_readme.py DIRECTORY-OF-THE-SOURCE
"""
import re
import sys

WHOSE = {"ACCEPTED": "accepted", "OPENED": "opened by the program", "EITHER": ""}
WHEN = {"ENDED": "at the end of the process", "UNTOUCHED": "nothing read", "ANSWERED": "read and written to",
        "EVER": ""}


def rows(path, macro):
    """The arguments of each MACRO(...), strings without their quotes."""
    text = re.sub(r"/\*.*?\*/", "", open(path).read(), flags=re.S)
    text = re.sub(r'"\s+"', "", text)
    for call in re.findall(macro + r'\(((?:[^()"]|"(?:[^"\\]|\\.)*")*)\)', text):
        arguments = re.findall(r'"((?:[^"\\]|\\.)*)"|(\w+)', call)
        yield [word or re.sub(r"\\(.)", r"\1", string) for string, word in arguments]


def table(*lines):
    for cells in lines:
        print("| " + " | ".join(cells) + " |")
        if cells is lines[0]:
            print("|---" * len(cells) + "|")
    print()


contents = {name: word for name, word, _ in rows(sys.argv[1] + "/content.def", "CONTENT")}
causes = {row[0]: row[1] for row in rows(sys.argv[1] + "/causes.def", "CAUSE")}


def said_of(cause, content, whose, when):
    word = contents.get(content) or (causes[cause] if whose == "EITHER" and when == "EVER" else "")
    return ", ".join(filter(None, (word and f"`{word}`", WHOSE[whose], WHEN[when])))


table(("`content`", "the unread bytes look like"),
      *((f"`{word}`", words) for _, word, words in rows(sys.argv[1] + "/content.def", "CONTENT") if word))
table(("said of", "`what`"),
      *((said_of(*row[:4]), row[4]) for row in rows(sys.argv[1] + "/causes.def", "MEANING")))
