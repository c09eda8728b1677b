# SPDX-License-Identifier: Apache-2.0
"""The project's own C files, and their text without what is not code."""

import os
import re


def c_files(top):
    """Paths of all .c and .h files below TOP, relative to it, sorted; build folders left out."""
    found = []
    for folder, folders, files in os.walk(top):
        if 'build.ninja' in files or 'meson-private' in folders:
            folders.clear()
            continue
        folders[:] = sorted(f for f in folders if not f.startswith('.') and f != 'data')
        found += [os.path.relpath(os.path.join(folder, f), top) for f in files if f.endswith(('.c', '.h'))]
    return sorted(found)


def read(top, path):
    with open(os.path.join(top, path), encoding='utf-8', errors='replace') as file:
        return file.read()


TOKEN = re.compile(
    r'//[^\n]*'                       # comments
    r'|/\*.*?\*/'
    r'|"(?:\\.|[^"\\\n])*"'           # strings, characters
    r"|'(?:\\.|[^'\\\n])*'",
    re.DOTALL,
)


def code_only(text):
    """TEXT with comments and literals blanked out and preprocessor lines emptied; the lines stay where they are."""
    def blank(match):
        token = match.group(0)
        if token[0] in '"\'':
            return token[0] + token[0]
        return re.sub(r'[^\n]', ' ', token)

    lines = TOKEN.sub(blank, text).split('\n')
    directive = False
    for i, line in enumerate(lines):
        directive = directive or line.lstrip().startswith('#')
        continues = line.rstrip().endswith('\\')
        if directive:
            lines[i] = ''
        directive = directive and continues
    return '\n'.join(lines)
