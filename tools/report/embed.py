"""Turns text files into a C++ source: embed.py OUTPUT NAME=FILE... makes `const std::string_view NAME` of each."""
import sys

output, *files = sys.argv[1:]
with open(output, "w", encoding="ascii") as out:
    out.write('#include "tools/report/page.hpp"\n\nnamespace trapline::page {\n')
    for item in files:
        name, path = item.split("=", 1)
        with open(path, "rb") as file:
            data = file.read()
        out.write(f"const std::string_view {name}(\n")
        for line in data.splitlines(keepends=True):
            # Octal escapes have at most three digits, so nothing behind them can be taken for a part of one.
            text = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in line)
            out.write(f'    "{text}"\n')
        out.write(f"    , {len(data)});\n")
    out.write("} // namespace trapline::page\n")
