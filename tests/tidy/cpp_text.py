"""Enough of C++'s surface to find includes, and functions with their lengths. A heuristic: it reads text, not the language."""
import re

CONTAINER = re.compile(r"^\s*(?:template\s*<.*>\s*)?(?:inline\s+)?(?:namespace|class|struct|union|enum|extern)\b", re.S)
CONTROL = re.compile(r"^\s*(?:if|for|while|switch|do|else|try|catch)\b")
NAME = re.compile(r"([\w:~]+(?:operator\s*\S+)?)\s*\(")
TEST_NAME = re.compile(r'(?:TEST_CASE|SUBCASE|SCENARIO)\w*\s*\(\s*"([^"]*)')
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def _blank(text):
    """Same length and lines, nothing to see."""
    return re.sub(r"[^\n]", " ", text)


TOKENS = re.compile(
    r'(?P<raw>R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)")'
    r'|(?P<string>"(?:\\.|[^"\\\n])*")'
    r"|(?P<char>(?<![0-9a-zA-Z_])'(?:\\.|[^'\\\n])+')"
    r"|(?P<line>//[^\n]*)"
    r"|(?P<block>/\*.*?\*/)"
    r"|(?P<macro>^[ \t]*\#(?:\\\n|[^\n])*)",
    re.S | re.M)


def code_only(text):
    """The text with strings, comments and preprocessor lines blanked out, every character still at its place."""
    return TOKENS.sub(lambda match: _blank(match.group()), text)


def includes(text):
    return INCLUDE.findall(re.sub(r"/\*.*?\*/", lambda match: _blank(match.group()), text, flags=re.S))


def functions(text):
    """Yields (name, first line, number of lines) of every function that is not inside another."""
    code = code_only(text)
    stack, header_start, parens = [], 0, 0
    for at, char in enumerate(code):
        if char == "(":
            parens += 1
        elif char == ")":
            parens -= 1
        elif char == "{":
            kind = "other" if parens else _kind(code[header_start:at], stack)
            stack.append((kind, header_start, parens))
            header_start, parens = at + 1, 0
        elif char == "}" and stack:
            kind, start, parens = stack.pop()
            if kind == "function":
                yield _measure(text, code, start, at)
            if not parens:
                header_start = at + 1
        elif char == ";" and not parens:
            header_start = at + 1


def _kind(header, stack):
    if any(kind == "function" for kind, _, _ in stack):
        return "inner"
    if CONTAINER.match(header):
        return "container"
    if "(" in header and not CONTROL.match(header):
        return "function"
    return "other"


def _measure(text, code, start, end):
    start += len(code[start:end]) - len(code[start:end].lstrip())
    header = text[start:end].split("{", 1)[0]
    named = TEST_NAME.search(header) or NAME.search(code[start:end])
    first = code.count("\n", 0, start) + 1
    return (named.group(1) if named else "?"), first, code.count("\n", start, end) + 1
