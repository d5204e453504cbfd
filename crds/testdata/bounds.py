#!/usr/bin/env python3
"""Writes refuse/bounds-*.yaml: for each bound, type, enum and required field of a spec, one object that breaks it alone.

Each is the shortest object of accept/ that holds the field, with that one thing spoilt, so a new field without an
object in accept/ stops this program. `--check` writes nothing and fails when a file is not what it would write.
"""
import copy
import glob
import os
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
TOO_LONG_TO_KEEP = 4096  # characters; longer limits would make files that nobody reads


class Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


def represent_text(dumper, text):
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, represent_text)


def dump(document):
    return yaml.dump(document, Dumper=Dumper, sort_keys=False, width=110, default_flow_style=None, allow_unicode=True)


def load_schemas():
    schemas = {}
    for path in sorted(glob.glob(f"{HERE}/../meshauth.dev_*.yaml")):
        with open(path, encoding="utf-8") as file:
            crd = yaml.safe_load(file)
        root = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        schemas[crd["spec"]["names"]["kind"]] = root["properties"]["spec"]
    return schemas


def load_accepted(kind):
    documents = []
    for path in glob.glob(f"{HERE}/accept/*.yaml"):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        document = yaml.safe_load(text)
        if document["kind"] == kind:
            documents.append((len(text), path, document))
    return [document for _, _, document in sorted(documents, key=lambda entry: entry[:2])]


def walk(schema, path=()):
    """Every (path, schema) below spec; a list's element is the path's member 0."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, path + (name,))
    if "items" in schema:
        yield from walk(schema["items"], path + (0,))


def get(document, path):
    value = document["spec"]
    for step in path:
        value = value[step]
    return value


def locate(value, path):
    """The path with the number of an element that has the rest of it, or None."""
    if not path:
        return ()
    if isinstance(path[0], int):
        steps = range(len(value)) if isinstance(value, list) else []
    else:
        steps = [path[0]] if isinstance(value, dict) and path[0] in value else []
    for step in steps:
        rest = locate(value[step], path[1:])
        if rest is not None:
            return (step, *rest)
    return None


def example(documents, path):
    """(a copy of the shortest object that has the path, where in it)"""
    for document in documents:
        found = locate(document["spec"], path)
        if found is not None:
            return copy.deepcopy(document), found
    sys.exit(f"no object in {HERE}/accept has {field(path)}: add one")


def replaced(document, path, value):
    if path:
        get(document, path[:-1])[path[-1]] = value
    else:
        document["spec"] = value
    return document


def distinct(element, number, keys):
    """The element again, made another value where a set or a map wants that."""
    copied = copy.deepcopy(element)
    if keys:
        copied[keys[0]] += str(number)
    elif isinstance(copied, str):
        copied += str(number)
    return copied


def too_many(value, schema):
    kind = schema["x-kubernetes-list-type"]
    if kind == "atomic":
        return [value[0]] * (schema["maxItems"] + 1)
    keys = schema.get("x-kubernetes-list-map-keys")
    return [distinct(value[0], number, keys) for number in range(schema["maxItems"] + 1)]


def field(path):
    text = "spec"
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text


def broken(documents, path, schema):
    """Yields (what is broken, the object, a part of the API server's message)."""
    is_list = schema["type"] == "array"
    whole, found = example(documents, path + (0,) if is_list else path)
    path = found[:-1] if is_list else found
    here = field(path)
    value = get(whole, path)
    fresh = lambda: copy.deepcopy(whole)  # noqa: E731
    wrong = {"string": 7, "integer": "seven", "boolean": "yes", "array": "a", "object": "a"}[schema["type"]]
    yield "type", replaced(fresh(), path, wrong), f"{here} in body must be of type"
    for name in schema.get("required", []):
        document = fresh()
        del get(document, path)[name]
        yield f"{name}-missing", document, f"{here}.{name}: Required value"
    if "enum" in schema and schema["type"] == "string":
        yield "enum", replaced(fresh(), path, "Other"), f"{here}: Unsupported value"
    if schema.get("minLength"):
        yield "empty", replaced(fresh(), path, ""), f"{here} in body should be at least {schema['minLength']} chars long"
    if schema.get("maxLength", TOO_LONG_TO_KEEP) < TOO_LONG_TO_KEEP:
        longer = (value + "a" * schema["maxLength"])[: schema["maxLength"] + 1]
        yield "long", replaced(fresh(), path, longer), f"{here}: Too long"
    if schema.get("minItems"):
        yield "empty", replaced(fresh(), path, []), f"{here} in body should have at least {schema['minItems']} items"
    if "maxItems" in schema and "enum" not in schema["items"]:
        yield "many", replaced(fresh(), path, too_many(value, schema)), f"{here}: Too many"
    if schema.get("x-kubernetes-list-type") == "set":
        yield "twice", replaced(fresh(), path, [value[0], value[0]]), f"{here}[1]: Duplicate value"


def files():
    """Every generated file: name -> text."""
    result = {}
    for kind, schema in load_schemas().items():
        documents = load_accepted(kind)
        short = {"IdentityProvider": "idprov", "AccessPolicy": "accpol"}[kind]
        for path, child in walk(schema):
            for what, document, want in broken(documents, path, child):
                words = ["each" if isinstance(step, int) else step for step in path]
                name = "-".join([short, *words, what]).lower()
                document["metadata"]["name"] = "broken"
                assert f"bounds-{name}.yaml" not in result
                result[f"bounds-{name}.yaml"] = f"# want: {want}\n{dump(document)}"
    return result


def main():
    wanted = files()
    folder = f"{HERE}/refuse"
    found = {}
    for path in glob.glob(f"{folder}/bounds-*.yaml"):
        with open(path, encoding="utf-8") as file:
            found[os.path.basename(path)] = file.read()
    stale = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if "--check" in sys.argv[1:]:
        if stale:
            sys.exit(f"not current, run {sys.argv[0]}: {', '.join(stale)}")
        return
    for name in stale:
        if name in wanted:
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(wanted[name])
        else:
            os.remove(f"{folder}/{name}")


if __name__ == "__main__":
    main()
