"""The few events that did not read cleanly, looked at exactly: no JSON at all, broken off, or which field is wrong.

Spark's parser says only that something does not fit, and not even that where a text is expected: it reads any token
into it. Here such an event is parsed a second time into a variant, which knows the type of every value.
"""

from __future__ import annotations

from pipelines.contract.model import Type
from pipelines.contract.sql import string
from pipelines.refine.reading import Reader

# Types as `schema_of_variant` names them; VOID is a null or nothing, which is for the rules on missing fields.
_FITTING: dict[Type, str] = {
    "string": "STRING|VOID",
    "integer": "BIGINT|VOID",
    "number": "BIGINT|DOUBLE|FLOAT|DECIMAL.*|VOID",
    "boolean": "BOOLEAN|VOID",
}
# The same types in JSON's words.
_JSON_WORD = (
    "CASE WHEN f.found = 'BIGINT' THEN 'integer' WHEN f.found RLIKE '^(DOUBLE|FLOAT|DECIMAL)' THEN 'number' "
    "WHEN f.found LIKE 'ARRAY%' THEN 'array' WHEN f.found LIKE 'OBJECT%' THEN 'object' ELSE lower(f.found) END"
)
_BEYOND = "9.2233720368547758E18D"


def is_doubtful(reader: Reader) -> str:
    """SQL: it did not read cleanly, or a text field's name (or any with escapes) is before no quote and no null.

    The pattern looks for what is rare, a value that is no text, and only then back at its name. That takes white space
    around the colon in the one form that writers use; all else that could hide such a value is doubtful by itself.
    """
    names = "|".join(sorted({path.rsplit(".", 1)[1] for path, kind in reader.types.items() if kind == "string"}))
    # Nothing is tried twice (`*+`): a long text of escapes would take time by the square of its length.
    escaped_name = string(r'\\u[^"\\]*+"\s*+:')
    reasons = [
        "NOT k_whole",
        _space_behind_quotes(),
        *(f"contains(k_text, ':{space}')" for space in ("  ", r"\n", r"\r", r"\t", r" \n", r" \r", r" \t")),
        f"(contains(k_text, {string(chr(92) + 'u')}) AND k_text RLIKE {escaped_name})",
    ]
    if names:
        no_text = string(f'": ?+[^"n](?<="(?:{names})": ?.)')
        reasons.append(f"k_text RLIKE {no_text}")
    return f"(k_text IS NOT NULL AND ({' OR '.join(reasons)}))"


def has_other_names() -> str:
    """SQL: there are more names than members that were read, so that one of them may be there twice.

    Names are counted by the colon right behind their quote; where white space follows a quote, that proves nothing.
    """
    names = "octet_length(k_text) - octet_length(replace(k_text, '\":', ':'))"
    return f"(k_whole AND ({names} > k_read OR {_space_behind_quotes()}))"


def _space_behind_quotes() -> str:
    return "(" + " OR ".join(f"contains(k_text, '\"{space}')" for space in (" ", r"\n", r"\r", r"\t")) + ")"


def variant() -> str:
    """SQL of the wrapped text (see `Reader.parsed`) as a variant where it is needed, else null."""
    return "CASE WHEN k_doubtful OR k_other_names THEN try_parse_json(concat('{\"e\":', k_text, ',\"end\":1}')) END"


def verdict(reader: Reader) -> str:
    """SQL of `reason|detail` over `k_text` and the columns of the functions above; null where the reading is right."""
    is_json = "try_variant_get(k_variant, '$.end', 'int') <=> 1"
    fields = ", ".join(_field(path, kind) for path, kind in reader.types.items())
    wrong = f"filter(array({fields}), f -> NOT f.found RLIKE f.fits)"
    words = (
        f"aggregate({wrong}, CAST(NULL AS STRING), (said, f) -> concat_ws('; ', said, concat(f.path, "
        "CASE WHEN f.beyond THEN ' is beyond 64 bits' "
        f"ELSE concat(' is ', {_JSON_WORD}, ', expected ', f.kind) END)), "
        f"said -> CASE WHEN said LIKE '%, expected %' THEN concat('wrong_type|', said) "
        "ELSE concat('out_of_range|', said) END)"
    )
    no_object = "CASE WHEN NOT k_whole THEN 'wrong_type|the event is not an object' END"
    return (
        "CASE WHEN NOT (k_doubtful OR k_other_names) THEN NULL "
        f"WHEN {is_json} THEN CASE WHEN k_doubtful THEN coalesce({words}, {no_object}) END "
        "WHEN k_whole THEN 'not_json|a name occurs twice in one object' "
        f"WHEN {_open_at_the_end()} THEN 'truncated_json|the text ends inside the object' "
        "ELSE 'not_json|the text is not one JSON value' END"
    )


def _field(path: str, kind: Type) -> str:
    place = string("$.e" + "".join(f'["{name}"]' for name in path.split(".")[1:]))
    number = f"try_variant_get(k_variant, {place}, 'double')"
    beyond = f"coalesce(abs({number}) >= {_BEYOND}, false)" if kind == "integer" else "false"
    return (
        f"named_struct('path', {string(path)}, 'kind', '{kind}', 'fits', '^({_FITTING[kind]})$', 'beyond', {beyond}, "
        f"'found', schema_of_variant(try_variant_get(k_variant, {place}, 'variant')))"
    )


def _open_at_the_end() -> str:
    """SQL: the text begins an object and ends within it, in a string or before all brackets are closed."""
    plain = "replace(replace(k_text, '\\\\\\\\', ''), '\\\\\"', '')"
    # Pieces between quotes: every second one is outside of strings, and an even number means a string left open.
    pieces = f"split({plain}, '\"')"
    outside = f"array_join(filter({pieces}, (piece, i) -> i % 2 = 0), '')"
    balance = (
        "aggregate(split(regexp_replace(o, '[^\\\\[\\\\]{}]', ''), ''), 0, "
        "(n, c) -> n + CASE WHEN c IN ('{', '[') THEN 1 WHEN c = '' THEN 0 ELSE -1 END)"
    )
    opened = f"exists(transform(array({outside}), o -> {balance}), n -> n > 0)"
    return f"(ltrim(k_text) LIKE '{{%' AND (size({pieces}) % 2 = 0 OR {opened}))"
