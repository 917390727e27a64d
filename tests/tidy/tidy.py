#!/usr/bin/env python3
"""The repository checks its own taste: tidy.py [ROOT]

One line per offence, `path:line: what, and what to do`; exit code 1 if there is any. Lengths that are past the limit with
a reason are in tests/tidy/ratchet.txt, which may only shrink.
"""
import ast
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import contracts  # noqa: E402
import cpp_text  # noqa: E402
import rooms  # noqa: E402

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
RATCHET = "tests/tidy/ratchet.txt"

SKIPPED_FOLDERS = {".git", "build", "data", "node_modules", "__pycache__", "corpus", ".cache"}
TEXT = {".cc", ".h", ".py", ".sh", ".lua", ".yaml", ".yml", ".md", ".txt", ".cmake", ".json", ""}
CODE = {".cc", ".h", ".py", ".sh", ".lua", ""}
DRAWERS = {"util", "utils", "common", "helper", "helpers", "manager", "managers", "misc"}

MARKER = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|\bnot implemented\b|\bunimplemented\b", re.I)
MACHINE_PATH = re.compile(r"(?<![\w.}])/(?:work|root|home)/")
# What a sleeping line in a test may be: a look at a condition now and then, or a moment that is random on purpose.
SLEEP_REASON = re.compile(r"(?://|#).*\b(?:polls|condition|random moment)\b")
SLEEP = re.compile(r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\b|\btime\.sleep\b|^\s*sleep\s+[\d$]")

FILE_SYSTEM_CALL = re.compile(
    r"\b(?:fs|filesystem)::(exists|is_\w+|file_size|(?:weakly_)?canonical|absolute|relative|proximate|equivalent|create_\w+"
    r"|(?:recursive_)?directory_iterator|rename|remove(?:_all)?|copy(?:_\w+)?|resize_file|last_write_time|permissions|space"
    r"|(?:symlink_)?status|read_symlink|hard_link_count|current_path|temp_directory_path)(?:\s+\w+)?\s*\(")
ERROR_CODE = re.compile(r"\b(?:error|ignored|unknown|failed)\b")
RANGE_FOR = re.compile(r"\bfor\s*\([^;()]*:\s*(?:std::)?$")


def extension(path):
    return os.path.splitext(path)[1]


def is_test(path):
    return path.startswith("tests/") or re.search(r"_(test|rig)\.\w+$", path) is not None


def files_below(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        for name in sorted(set(names) - SKIPPED_FOLDERS):  # .git is a file in a linked checkout
            yield os.path.relpath(os.path.join(folder, name), root)


def check_drawers(path, _text):
    for part in path.split("/"):
        if os.path.splitext(part)[0].lower() in DRAWERS:
            yield 1, f"'{part}' is a drawer for anything; name it after the one thing it holds"


def check_markers(path, text):
    for number, line in numbered(text):
        if MARKER.search(line):
            yield number, "a marker of unfinished work; finish it, or leave it out whole"


def check_machine_paths(path, text):
    for number, line in numbered(text):
        if MACHINE_PATH.search(line):
            yield number, "the path of one machine; make it relative, or a setting"


def check_whitespace(path, text):
    for number, line in numbered(text):
        if "\t" in line:
            yield number, "a tab; use spaces"
        if line != line.rstrip():
            yield number, "spaces at the end of the line"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "the last line does not end"


def check_pragma_once(path, text):
    if extension(path) == ".h" and not re.search(r"^#pragma once$", text, re.M):
        yield 1, "a header without #pragma once"


def check_sleeps(path, text):
    if not is_test(path):
        return
    for number, line in numbered(text):
        if SLEEP.search(line) and not SLEEP_REASON.search(line):
            yield number, "a sleep in a test; wait for a condition (between two looks at one: `# polls …` on the line)"


def check_includes(path, text):
    if extension(path) not in (".cc", ".h"):
        return
    for included in cpp_text.includes(text):
        why = rooms.problem(path, included)
        if why:
            line = text[:text.index(f'"{included}"')].count("\n") + 1
            yield line, f'includes "{included}": {why}'


def check_file_system_calls(path, text):
    """std::filesystem throws unless it is given an error_code, and what throws on a thread of the pipeline ends it."""
    if not path.startswith(("pipeline/", "connectors/")) or extension(path) not in (".cc", ".h"):
        return
    if is_test(path) or os.path.basename(path) == "testing.h":
        return
    code = cpp_text.code_only(text)
    for call in FILE_SYSTEM_CALL.finditer(code):
        if not ERROR_CODE.search(arguments(code, call.end())) or RANGE_FOR.search(code[:call.start()]):
            yield code[:call.start()].count("\n") + 1, f"{call.group(1)} throws; give it an error_code, and say what it says"


def arguments(code, at):
    """From behind a parenthesis to the one that closes it."""
    depth = 1
    for end in range(at, len(code)):
        depth += {"(": 1, ")": -1}.get(code[end], 0)
        if depth == 0:
            return code[at:end]
    return code[at:]


def numbered(text):
    return enumerate(text.split("\n"), 1)


# Tidy names what it bans, and the licence is not ours to edit.
NOT_READ = {"LICENSE"}
CHECKS = [check_drawers, check_markers, check_machine_paths, check_whitespace, check_pragma_once, check_sleeps,
          check_includes, check_file_system_calls]
OWN_WORDS = {check_markers, check_machine_paths, check_sleeps, check_includes}


def lengths(path, text):
    """Yields (key, line, lines, limit) for the file and each of its functions."""
    if extension(path) not in CODE:
        return
    yield path, 1, text.count("\n"), FILE_LINES_MAX
    for name, line, lines in functions(path, text):
        yield f"{path}::{name}", line, lines, FUNCTION_LINES_MAX


def functions(path, text):
    if extension(path) in (".cc", ".h"):
        yield from cpp_text.functions(text)
    elif extension(path) == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def read_ratchet(root):
    """{key: (lines, line in the ratchet)}; each entry is `path[::function] | lines | reason`."""
    entries, problems = {}, []
    file = os.path.join(root, RATCHET)
    if not os.path.exists(file):
        return entries, problems
    with open(file, encoding="utf-8") as text:
        for number, line in enumerate(text, 1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = [part.strip() for part in line.split("|")]
            if len(parts) != 3 or not parts[1].isdigit() or not parts[2]:
                problems.append((RATCHET, number, "expected `path[::function] | lines | reason`"))
            else:
                entries[parts[0]] = (int(parts[1]), number)
    return entries, problems


def check_ratchet(root, measured):
    entries, problems = read_ratchet(root)
    longest = {}
    for key, line, lines, limit in measured:
        if lines > limit and lines > longest.get(key, (0, 0))[1]:
            longest[key] = (line, lines, limit)
    for key, (line, lines, limit) in longest.items():
        allowed, at = entries.pop(key, (limit, 0))
        if lines > allowed:
            problems.append((key.split("::")[0], line, f"{key} has {lines} lines, allowed are {allowed}; split it"))
        elif lines < allowed:
            problems.append((RATCHET, at, f"{key} has shrunk to {lines} lines; lower its number"))
    for key, (_, at) in entries.items():
        problems.append((RATCHET, at, f"{key} is within the limit or gone; remove the entry"))
    return problems


def check(root):
    """Everything wrong below root, as (path, line, what), sorted."""
    problems, measured, of_connectors = [], [], {}
    for path in files_below(root):
        if extension(path) not in TEXT or path in NOT_READ:
            problems += [(path, line, what) for line, what in check_drawers(path, "")]
            continue
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            text = file.read()
        if path.startswith("connectors/"):
            of_connectors[path] = text
        for rule in CHECKS:
            if rule in OWN_WORDS and path.startswith("tests/tidy/"):
                continue
            problems += [(path, line, what) for line, what in rule(path, text)]
        measured += lengths(path, text)
    problems += contracts.problems(of_connectors)
    return sorted(problems + check_ratchet(root, measured))


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    problems = check(os.path.abspath(root))
    for path, line, what in problems:
        print(f"{path}:{line}: {what}")
    print(f"tidy: {len(problems)} offence(s)" if problems else "tidy: nothing to say")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
