"""Every content and meaning of content.def and causes.def has its words in the manual.

    explain_manual.py DIRECTORY-OF-THE-SOURCE MANUAL
"""
import re
import sys

def rows(path, macro):
    """The arguments of each MACRO(...), strings without their quotes."""
    text = re.sub(r"/\*.*?\*/", "", open(path).read(), flags=re.S)
    text = re.sub(r'"\s+"', "", text)
    for call in re.findall(macro + r'\(((?:[^()"]|"(?:[^"\\]|\\.)*")*)\)', text):
        arguments = re.findall(r'"((?:[^"\\]|\\.)*)"|(\w+)', call)
        yield [word or re.sub(r"\\(.)", r"\1", string) for string, word in arguments]


contents = list(rows(sys.argv[1] + "/content.def", "CONTENT"))
meanings = list(rows(sys.argv[1] + "/causes.def", "MEANING"))
manual = " ".join(open(sys.argv[2]).read().lower().split())
texts = [row[2] for row in contents if row[1]] + [row[4] for row in meanings]
print("\n".join(text for text in texts if text.lower() not in manual))
print(len(contents), "contents,", len(meanings), "meanings", file=sys.stderr)
if len(contents) < 9 or len(meanings) < 13:
    sys.exit("the tables were not read")
