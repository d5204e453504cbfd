#!/usr/bin/env python3
"""Writes ../docs/reference.md, field by field, from the schemas. `--check` writes nothing and fails when it is not current."""
import glob
import os
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = f"{HERE}/../docs/reference.md"
HEAD = """# Reference of the resources

Written by `crds/reference.py` from `crds/`. The same is in the cluster: `kubectl explain accesspolicies.meshauth.dev.spec.rules`.
Group `meshauth.dev`, version `v1alpha1`; both kinds are namespaced and belong to category `mesh-auth` (`kubectl get mesh-auth`).
A field that is not listed here does not exist, and kubectl refuses it.
"""


def code(text):
    """Text as a code span that holds in a table."""
    fence = "``" if "`" in text else "`"
    return fence + text.replace("|", "\\|") + fence


def prose(text):
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("\n", " ")


def kind_of(schema):
    if schema["type"] == "array":
        return f"list of {kind_of(schema['items'])}"
    if "additionalProperties" in schema:
        return "map of strings"
    return schema.get("format") if schema.get("format") == "date-time" else schema["type"]


def count(least, most, unit):
    if least is None and most is None:
        return None
    if most is None:
        return f"at least {least} {unit}"
    return f"at most {most} {unit}" if not least else f"{least} to {most} {unit}"


def limits(schema):
    """What the schema allows, in words."""
    words = []
    if "enum" in schema:
        words.append("one of " + ", ".join(code(str(value).lower() if isinstance(value, bool) else value) for value in schema["enum"]))
    words.append(count(schema.get("minItems"), schema.get("maxItems"), "entries"))
    words.append(count(schema.get("minLength"), schema.get("maxLength"), "characters"))
    if schema.get("minProperties"):
        words.append(f"at least {schema['minProperties']} field")
    if "maximum" in schema:
        words.append(f"{schema['minimum']} to {schema['maximum']}")
    if "pattern" in schema:
        words.append("form " + code(schema["pattern"]))
    if schema.get("x-kubernetes-list-type") == "set":
        words.append("no value twice")
    if schema.get("x-kubernetes-list-type") == "map":
        words.append(f"each with another {', '.join(schema['x-kubernetes-list-map-keys'])}")
    if schema["type"] == "array":
        element = limits(schema["items"])
        if element:
            words.append(f"each entry: {element}")
    return "; ".join(word for word in words if word)


def members(schema):
    """The fields of an object, or of the objects in a list."""
    while schema["type"] == "array":
        schema = schema["items"]
    return schema.get("properties", {}), schema.get("required", [])


def own_rules(schema):
    rules = list(schema.get("x-kubernetes-validations", []))
    if schema["type"] == "array":
        rules += own_rules(schema["items"])
    return rules


def sections(path, schema, lines, level=3):
    """One heading and table per object, outermost first."""
    lines += [f"{'#' * min(level, 6)} `{path}`", "", prose(schema["description"]), ""]
    fields, required = members(schema)
    lines += ["| field | type | meaning | allowed |", "|---|---|---|---|"]
    for name, child in fields.items():
        need = " (required)" if name in required else ""
        lines.append(f"| `{name}`{need} | {kind_of(child)} | {prose(child['description'])} | {limits(child)} |")
    lines.append("")
    rules = own_rules(schema) + [rule for child in fields.values() if not members(child)[0] for rule in own_rules(child)]
    if rules:
        lines += ["Refused, with these words:", ""]
        lines += list(dict.fromkeys(f"- {prose(rule['message'])}" for rule in rules))
        lines.append("")
    for name, child in fields.items():
        if members(child)[0]:
            sections(f"{path}.{name}" + ("[]" if child["type"] == "array" else ""), child, lines, level + 1)


def columns(crd):
    lines = ["| column of `kubectl get` | shows | |", "|---|---|---|"]
    for column in crd["spec"]["versions"][0]["additionalPrinterColumns"]:
        wide = "with `-o wide`" if column.get("priority") else ""
        lines.append(f"| {column['name']} | {column['description']} | {wide} |")
    return lines + [""]


def page():
    lines = HEAD.splitlines() + [""]
    for path in sorted(glob.glob(f"{HERE}/meshauth.dev_*.yaml"), reverse=True):
        with open(path, encoding="utf-8") as file:
            crd = yaml.safe_load(file)
        names = crd["spec"]["names"]
        root = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        lines += [f"## {names['kind']}", "", root["description"], ""]
        lines += [f"`{names['plural']}.meshauth.dev`, short name `{names['shortNames'][0]}`.", ""] + columns(crd)
        for part in ("spec", "status"):
            sections(part, root["properties"][part], lines)
    return "\n".join(lines).rstrip("\n") + "\n"


def main():
    wanted = page()
    found = None
    if os.path.exists(PAGE):
        with open(PAGE, encoding="utf-8") as file:
            found = file.read()
    if "--check" in sys.argv[1:]:
        if found != wanted:
            sys.exit(f"docs/reference.md is not current: run {sys.argv[0]}")
    elif found != wanted:
        os.makedirs(os.path.dirname(PAGE), exist_ok=True)
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(wanted)


if __name__ == "__main__":
    main()
