#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files that lie, for mx analyze: a sound object's headers, tables and sections are spoiled in turn.

usage: hostile.py MX SOUND STRIPPED FOLDER

Each has to end in a report or in an error with a text, by itself, within a bound of memory and of
processor time. Prints what did not, and how many were tried.
"""
import lzma
import os
import resource
import struct
import subprocess
import sys

MX, SOUND, STRIPPED, FOLDER = sys.argv[1:5]
MEMORY = 700 << 20
tried = failed = 0


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def attempt(what, data):
    global tried, failed
    path = os.path.join(FOLDER, 'hostile')
    with open(path, 'wb') as out:
        out.write(data)
    tried += 1
    done = subprocess.run([MX, 'analyze', path, SOUND], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, preexec_fn=limit, check=False)
    if done.returncode not in (0, 1, 3) or b': ' not in done.stdout:
        failed += 1
        print(f'{what}: status {done.returncode}: {done.stdout[:200]!r}')


def put(data, at, layout, value):
    changed = bytearray(data)
    struct.pack_into('<' + layout, changed, at, value)
    return bytes(changed)


def sections(data):
    table, = struct.unpack_from('<Q', data, 40)
    size, count, names = struct.unpack_from('<HHH', data, 58)
    strings, = struct.unpack_from('<Q', data, table + size * names + 24)
    for i in range(count):
        at = table + size * i
        name, = struct.unpack_from('<I', data, at)
        start = strings + name
        offset, length = struct.unpack_from('<QQ', data, at + 24)
        yield data[start:data.index(b'\0', start)].decode(), at, offset, length


def try_headers(data):
    for name, at, layout, values in (
            ('e_phoff', 32, 'Q', (0, len(data) - 8, 2**64 - 8)),
            ('e_shoff', 40, 'Q', (1, len(data) - 3, 2**64 - 64)),
            ('e_phentsize', 54, 'H', (0, 1, 0xffff)),
            ('e_phnum', 56, 'H', (0, 0xffff)),
            ('e_shentsize', 58, 'H', (0, 1, 0xffff)),
            ('e_shnum', 60, 'H', (0, 1, 0xffff)),
            ('e_shstrndx', 62, 'H', (0, 1, 0xffff))):
        for value in values:
            attempt(f'{name} {value:#x}', put(data, at, layout, value))


def try_segments(data):
    table, = struct.unpack_from('<Q', data, 32)
    size, count = struct.unpack_from('<HH', data, 54)
    for i in range(count):
        for name, at in (('p_offset', 8), ('p_vaddr', 16), ('p_filesz', 32), ('p_memsz', 40)):
            for value in (0, len(data) + 1, 2**64 - 1):
                attempt(f'segment {i} {name} {value:#x}',
                        put(data, table + size * i + at, 'Q', value))


def try_sections(data, wanted):
    for name, at, offset, length in sections(data):
        if not wanted(name):
            continue
        for field, place, layout, values in (
                ('sh_size', 32, 'Q', (1, 2 * length + 1, 2**64 - 1)),
                ('sh_offset', 24, 'Q', (len(data) - 1, 2**64 - 1)),
                ('sh_addr', 16, 'Q', (1,)),
                ('sh_entsize', 56, 'Q', (0, 3)),
                ('sh_link', 40, 'I', (0xffffffff,))):
            for value in values:
                attempt(f'{name} {field} {value:#x}', put(data, at + place, layout, value))
        # Counts and lengths inside it, all at once and by eights: long forms, and references back.
        if 8 <= length and offset + length <= len(data) and name != '.bss':
            for fill in (b'\xff', b'\x01'):
                attempt(f'{name} full of {fill!r}',
                        data[:offset] + fill * length + data[offset + length:])
            for at in range(0, min(length - 7, 64), 16):
                attempt(f'{name} at {at}', put(data, offset + at, 'Q', 0xffffffff7fffffff))


def try_symbols(data):
    for name, _, offset, length in sections(data):
        if name in ('.symtab', '.dynsym'):
            for field, at in (('st_value', 8), ('st_size', 16)):
                changed = data
                for i in range(24, length, 24):
                    changed = put(changed, offset + i + at, 'Q', 2**63 + i)
                attempt(f'{name}: every {field} is huge', changed)


def packed(payload):
    extra, out = (os.path.join(FOLDER, name) for name in ('extra', 'packed'))
    with open(extra, 'wb') as file:
        file.write(payload)
    subprocess.run(['objcopy', '--add-section', '.gnu_debugdata=' + extra, STRIPPED, out],
                   check=True)
    with open(out, 'rb') as file:
        return file.read()


def try_packed(data):
    squeeze = lzma.LZMACompressor(preset=0)
    bomb = b''.join(squeeze.compress(bytes(1 << 20)) for _ in range(1024)) + squeeze.flush()
    attempt('a gigabyte of zeros in .gnu_debugdata', packed(bomb))
    sound = lzma.compress(data)
    attempt('.gnu_debugdata that is cut off', packed(sound[:-20]))
    attempt('.gnu_debugdata that is no xz', packed(sound[:6] + bytes(1000)))
    attempt('.gnu_debugdata in .gnu_debugdata', packed(lzma.compress(packed(sound))))


def main():
    with open(SOUND, 'rb') as file:
        sound = file.read()
    with open(STRIPPED, 'rb') as file:
        stripped = file.read()
    try_headers(sound)
    try_segments(sound)
    try_sections(sound, lambda name: not name.startswith('.debug') or
                 name in ('.debug_info', '.debug_abbrev', '.debug_str', '.debug_line'))
    try_symbols(sound)
    try_packed(sound)
    # The unit test cuts at every byte of an object that has the least; this one has all tables.
    for size in range(0, len(stripped), 1024):
        attempt(f'cut at {size}', stripped[:size])
    print(f'{tried} files, {failed} not as they should be')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
