r"""In how many ways a pattern may match one text: what its search costs, but for gaps.

Theory of operation: a search that fails tries every way. Choices that exclude each
other leave one. A choice that goes on where another ends, as in ``(a|aa)``, leaves two,
and so do two repeats in one word, as in ``\w*a\w*``; what stands behind multiplies.
"""

from itertools import islice

from monitor.classify.pattern import GAP_WORDS, Group, Nodes, Text, Wild, strings

#: A repeat meets at most so many places of a word where the next one may begin.
SHARED_WORK = 16
#: Strings of one group that are compared; a group of more is judged by these.
MOST_COMPARED = 1_000


def ways(nodes: Nodes) -> int:
    r"""At most so many ways from one start; options and gaps are not counted.

    >>> ways((Text("inexist"), Wild(r"\w{0,24}", "")))
    1
    """
    found, _ = _ways(nodes, (), wild=False)
    return found


def _ways(nodes: Nodes, behind: Nodes, *, wild: bool) -> tuple[int, bool]:
    """The ways, and whether a repeat is in the last word; ``wild``: in the first."""
    found = 1
    for place, node in enumerate(nodes):
        if isinstance(node, Group):
            rest = nodes[place + 1 :] or behind
            inner = [_ways(choice, rest, wild=wild) for choice in node.choices]
            found *= max(one for one, _ in inner) * _longest_chain(node, rest)
            wild = any(last for _, last in inner) or (node.optional and wild)
        elif node is GAP_WORDS or (isinstance(node, Text) and " " in node.text):
            wild = False
        elif isinstance(node, Wild) and node.regex.endswith("}"):
            is_gap = not node.regex.startswith("\\")
            found *= SHARED_WORK if wild and not is_gap else 1
            wild = True
    return found, wild


def _longest_chain(group: Group, behind: Nodes) -> int:
    """The most choices of which each goes on where the one before may end."""
    texts = (text for choice in group.choices for text in strings(choice))
    # Where a space follows, a longer word is not a longer match.
    ends = " " if _starts_with_space(behind) else ""
    longest = 1
    chain: list[str] = []
    for text in sorted(islice(texts, MOST_COMPARED)):
        while chain and not f"{text}{ends}".startswith(f"{chain[-1]}{ends}"):
            chain.pop()
        chain.append(text)
        longest = max(longest, len(chain))
    return longest


def _starts_with_space(behind: Nodes) -> bool:
    """Whether nothing but a space can follow; a pattern ends at one too."""
    first = behind[0] if behind else GAP_WORDS
    return first is GAP_WORDS or (isinstance(first, Text) and first.text[:1] == " ")
