# SPDX-License-Identifier: Apache-2.0
"""The programs of `make bench`: small ones, and those that compute. Figures are seconds.

Inputs are made from fixed seeds, so that each run of the suite does the same work.
"""

import os
import random
import subprocess

from suite.running import Failed, which

HERE = os.path.dirname(os.path.abspath(__file__))


def make_text(path, megabytes):
    """Lines of words that a compressor can work on; the same four megabytes again and again."""
    draw = random.Random(1)
    vocabulary = ["".join(draw.choices("etaoinshrdlucmfw", k=draw.randint(2, 9))) for _ in range(4000)]
    words = draw.choices(vocabulary, k=800000)
    block = "\n".join(" ".join(words[i:i + 9]) for i in range(0, len(words), 9))[:(min(megabytes, 4) << 20) - 1] + "\n"
    with open(path, "w", encoding="ascii") as f:
        for _ in range(0, megabytes, 4):
            f.write(block)


def make_blob(path, size):
    draw = random.Random(1)
    block = draw.randbytes(1 << 20)
    with open(path, "wb") as f:
        for at in range(0, size, len(block)):
            f.write(block[:size - at])


def make_c(path):
    with open(path, "w", encoding="ascii") as f:
        for i in range(110):
            f.write(f"int f{i}(int *a, int n) {{ int s = {i}; for (int k = 0; k < n; k++) {{ if (a[k] % {i % 9 + 3} > 2) "
                    f"s += a[k] * {i + 3}; else s ^= a[n - k - 1]; switch (s & 7) {{ case 1: s *= 3; break; "
                    f"case 4: a[k] = s; break; case {i % 3 + 5}: s -= k; }} }} return s; }}\n")


def make_xml(path):
    draw = random.Random(2)
    with open(path, "w", encoding="ascii") as f:
        f.write("<all>")
        for i in range(12000):
            f.write(f'<item id="{i}" group="{draw.randrange(40)}"><name>{draw.randrange(10**9)}</name>'
                    f'<price>{draw.randrange(10**5)}</price></item>')
        f.write("</all>")
    with open("sheet.xsl", "w", encoding="ascii") as f:
        f.write('<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
                '<xsl:template match="/all"><out><xsl:for-each select="item"><xsl:sort select="@group" data-type="number"/>'
                '<xsl:sort select="price" data-type="number" order="descending"/><row n="{position()}" '
                'first="{count(preceding-sibling::item[1])}">'
                '<xsl:value-of select="concat(name, \'-\', substring(name, 2, 3))"/></row></xsl:for-each></out>'
                '</xsl:template></xsl:stylesheet>')


def make_scene(path):
    with open(path, "w", encoding="ascii") as f:
        f.write('#version 3.7; global_settings { assumed_gamma 1 } camera { location <0, 3, -9> look_at <0, 1, 0> }\n'
                'light_source { <8, 12, -9> rgb 1 area_light <2,0,0>, <0,2,0>, 4, 4 }\n'
                'plane { y, 0 pigment { checker rgb 1, rgb 0.2 } finish { reflection 0.3 } }\n')
        draw = random.Random(3)
        for _ in range(40):
            x, z, r = draw.uniform(-4, 4), draw.uniform(-3, 5), draw.uniform(0.2, 0.7)
            f.write(f"sphere {{ <{x:.3f}, {r:.3f}, {z:.3f}>, {r:.3f} pigment {{ rgb <{draw.random():.2f}, "
                    f"{draw.random():.2f}, {draw.random():.2f}> }} finish {{ reflection 0.4 phong 1 }} }}\n")


def make_video(path):
    """A few seconds that move, as raw YUV 4:2:0."""
    width, height, frames = 640, 360, 90
    noise = random.Random(4).randbytes(width * 2)
    with open(path, "wb") as f:
        f.write(f"YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C420jpeg\n".encode())
        for t in range(frames):
            f.write(b"FRAME\n")
            for y in range(height):
                shift = (t * 3 + y * y // 97) % width
                f.write(bytes((noise[shift + x] >> 2) + ((x + t * 5) * (y + t) >> 9 & 127) for x in range(width)))
            f.write(bytes(128 for _ in range(width * height // 2)))


def make_profile(_):
    """A family of proteins, its profile, and sequences to search."""
    draw = random.Random(5)
    letters = "ACDEFGHIKLMNPQRSTVWY"
    family = [draw.choice(letters) for _ in range(180)]
    with open("family.sto", "w", encoding="ascii") as f:
        f.write("# STOCKHOLM 1.0\n")
        for i in range(20):
            f.write(f"seq{i} " + "".join(draw.choice(letters) if draw.random() < 0.3 else c for c in family) + "\n")
        f.write("//\n")
    with open("proteins.fa", "w", encoding="ascii") as f:
        for i in range(1400):
            body = "".join(draw.choices(letters, k=300))
            if i % 40 == 0:
                body += "".join(draw.choice(letters) if draw.random() < 0.4 else c for c in family)
            f.write(f">p{i}\n{body}\n")
    build_with(["hmmbuild", "--amino", "family.hmm", "family.sto"])


def make_program(path):
    """A dense linear program, for the simplex method."""
    draw = random.Random(6)
    n, m = 800, 550
    with open(path, "w", encoding="ascii") as f:
        f.write("Maximize\n obj: " + " + ".join(f"{draw.randint(10, 99)} x{j}" for j in range(n)) + "\nSubject To\n")
        for i in range(m):
            f.write(f" c{i}: " + " + ".join(f"{draw.randint(1, 60)} x{j}" for j in range(n)) + f" <= {draw.randint(300, 900)}\n")
        f.write("Bounds\n" + "".join(f" 0 <= x{j} <= 3\n" for j in range(n)) + "End\n")


def make_shor(path):
    build_with(["gcc", "-O2", "-o", path, os.path.join(HERE, "shor.c"), "-fopenmp", "-lquantum", "-lm"])


def build_with(command):
    if not which(command[0]):
        return
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{command[0]}: {done.stderr[-300:]}")


def make_speed_test(path):
    """What sqlite's own speed test does: inserts, with and without an index, looks, joins, changes."""
    draw = random.Random(7)
    with open(path, "w", encoding="ascii") as f:
        f.write("PRAGMA synchronous=0; PRAGMA cache_size=-20000;\nCREATE TABLE t1(a INTEGER, b INTEGER, c TEXT);\nBEGIN;\n")
        rows = [(i, draw.randrange(10**6)) for i in range(40000)]
        f.writelines(f"INSERT INTO t1 VALUES({i},{b},'{b:x} of {i}');\n" for i, b in rows)
        f.write("COMMIT;\nCREATE TABLE t2(a INTEGER PRIMARY KEY, b INTEGER, c TEXT);\nCREATE INDEX t2b ON t2(b);\nBEGIN;\n")
        f.writelines(f"INSERT INTO t2 VALUES({i},{b},'{b:x}');\n" for i, b in rows)
        f.write("COMMIT;\n")
        for i in range(20):
            f.write(f"SELECT count(*), avg(b) FROM t1 WHERE b>={i * 1000} AND b<{i * 1000 + 5000};\n"
                    f"SELECT count(*), avg(b) FROM t1 WHERE c LIKE '%{i}f%';\n")
        f.writelines(f"SELECT count(*), avg(b) FROM t2 WHERE b>={i * 100} AND b<{i * 100 + 4000};\n" for i in range(4000))
        f.write("SELECT count(*) FROM t1, t2 WHERE t1.b=t2.b AND t1.a%3=0;\nBEGIN;\n")
        f.writelines(f"UPDATE t2 SET b=b+{i % 7} WHERE a={i * 3 % 40000};\n" for i in range(20000))
        f.write("COMMIT;\nDELETE FROM t2 WHERE c LIKE '%a%';\nSELECT a, b, c FROM t1 ORDER BY c LIMIT 5;\nVACUUM;\n")


PERL = ('my %n; srand 1; my $s = ""; for my $i (1 .. 800000) { my $w = join "", map { chr(97 + ($i * $_) % 26) } 1 .. 5; '
        '$n{$w} += $i; $s .= $w if $i % 7 == 0; $s =~ s/a(b|c)d/x$1/ if $i % 4000 == 0 } '
        'my $t = 0; $t += $n{$_} for sort { $n{$a} <=> $n{$b} || $a cmp $b } keys %n; print $t % 1000003, length $s')
PYTHON = ("import random\nr = random.Random(1)\nd = {}\nx = 0\n"
          "for i in range(1500000):\n  x = (x * 31 + i) % 1000003\n  d[x % 5000] = d.get(x % 5000, 0) + i\n"
          "print(sum(sorted(d.values())[:100]), x)")
BC = "x = 3\nfor (i = 0; i < 15; i++) x = x * x + 1\nx % 1000003\nscale = 1500\na(1) * 4\nquit\n"

# name: (inputs: path to its maker, command). A path in the command is one of the inputs.
COMPUTING = {
    "perl": ({}, ["perl", "-e", PERL]),
    "bzip2": ({"text12": lambda p: make_text(p, 12)}, ["bzip2", "-k", "-c", "text12"]),
    "cc1": ({"source.c": make_c}, ["gcc", "-S", "-O2", "-o", "out.s", "source.c"]),
    "glpsol": ({"plan.lp": make_program}, ["glpsol", "--nomip", "--lp", "plan.lp"]),
    "gnugo": ({}, ["gnugo", "--mode", "ascii", "--seed", "1", "--level", "8", "--boardsize", "9", "--benchmark", "12"]),
    "hmmer": ({"family.hmm": make_profile},
              ["hmmsearch", "--cpu", "0", "--max", "-o", "found", "family.hmm", "proteins.fa"]),
    "libquantum": ({"shor": make_shor}, ["./shor", "111", "5"]),
    "x264": ({"video.y4m": make_video}, ["x264", "--quiet", "--threads", "1", "-o", "out.264", "video.y4m"]),
    "xalan": ({"all.xml": make_xml}, ["Xalan", "-o", "out.xml", "all.xml", "sheet.xsl"]),
    "povray": ({"scene.pov": make_scene}, ["povray", "+Iscene.pov", "+W400", "+H300", "+A0.3", "-D", "+WT1", "+Oout.png"]),
    "python3": ({}, ["python3", "-c", PYTHON]),
    "xz": ({"text4": lambda p: make_text(p, 4)}, ["xz", "-T1", "-3", "-k", "-c", "text4"]),
    "openssl": ({}, ["openssl", "kdf", "-keylen", "32", "-kdfopt", "digest:SHA512", "-kdfopt", "pass:x", "-kdfopt",
                     "salt:salt", "-kdfopt", "iter:1200000", "PBKDF2"]),
    "gzip": ({"text24": lambda p: make_text(p, 24)}, ["gzip", "-c", "text24"]),
    "zstd": ({"text24": lambda p: make_text(p, 24)}, ["zstd", "-q", "-14", "--single-thread", "-c", "text24"]),
    "awk": ({"text24": lambda p: make_text(p, 24)},
            ["awk", "{ for (i = 1; i <= NF; i++) n[$i] += NR } END { for (w in n) s += n[w]; print s }", "text24"]),
    "bc": ({"sums": lambda p: write(p, BC)}, ["bc", "-l", "-q", "sums"]),
}
SQLITE = {"sqlite3 speed test": ({"speed.sql": make_speed_test}, ["sqlite3", "-batch", "db", ".read speed.sql"])}

MB1 = {"blob1": lambda p: make_blob(p, 1200000)}
MB100 = {"blob100": lambda p: make_blob(p, 100 << 20)}
TEXT1 = {"text1": lambda p: make_text(p, 1)}
TEXT100 = {"text100": lambda p: make_text(p, 100)}


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


COREUTILS = {
    "cut, 1 MB": (TEXT1, ["cut", "-c1-10", "text1"]),
    "md5sum, 1 MB": (MB1, ["md5sum", "blob1"]),
    "sha1sum, 1 MB": (MB1, ["sha1sum", "blob1"]),
    "sort, 1 MB": (TEXT1, ["sort", "text1"]),
    "cp, 1 MB": (MB1, ["cp", "blob1", "copy"]),
    "cat, 1 MB": (MB1, ["cat", "blob1"]),
    "mkdir": ({}, ["mkdir", "a"]),
    "cut, 100 MB": (TEXT100, ["cut", "-c1-10", "text100"]),
    "md5sum, 100 MB": (MB100, ["md5sum", "blob100"]),
    "sha1sum, 100 MB": (MB100, ["sha1sum", "blob100"]),
    "sort, 100 MB": (TEXT100, ["sort", "text100"]),
    "cp, 100 MB": (MB100, ["cp", "blob100", "copy"]),
    "cat, 100 MB": (MB100, ["cat", "blob100"]),
}
START = {"true": ({}, ["true"])}


def prepare(inputs, command):
    """Makes the inputs that are not there yet. The command with the paths that they have."""
    for path, make in inputs.items():
        if not os.path.exists(path):
            make(path)
    here = os.getcwd()
    made = set(os.listdir(here))

    def absolute(word):
        name = word.removeprefix("./").removeprefix("+I").removeprefix(".read ")
        return word.replace("./" + name if word.startswith("./") else name, os.path.join(here, name), 1) \
            if name in made else word
    return [absolute(word) for word in command]
