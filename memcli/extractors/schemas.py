"""Schemas of the user's own: what a memory is made of, instead of a sentence.

A schema is a pydantic model (`package.module:Class` or `file.py:Class`) or a JSON
Schema in a file. A collection has any number of values; a profile is one
document a namespace, to which each conversation adds what it knows (the two
kinds are LangMem's).
"""

import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from memcli.errors import UsageError

_NOT_IN_A_NAME = str.maketrans(dict.fromkeys(" .-/:", "_"))


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema. `model` is the pydantic class, where there is one."""

    name: str
    about: str
    json_schema: Mapping[str, Any]
    profile: bool = False
    model: Any = field(default=None, compare=False)

    def shape(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The schema as part of another one: itself, and what it refers to.

        Of a profile a conversation may know a part, so nothing is required.
        """
        whole = _renamed(dict(self.json_schema), self.name)
        shared = whole.pop("$defs", {})
        whole.pop("$schema", None)
        whole = _without_titles(whole)
        if self.profile:
            whole = _optional(whole)
        named = {f"{self.name}.{key}": _without_titles(v) for key, v in shared.items()}
        return whole, named

    def validated(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """The value as the schema has it. Raises ValueError that says what is off.

        A patch of a profile need not have everything; what it has must fit.
        """
        value = _without_none(value) if self.profile else dict(value)
        try:
            found = self._checked(value)
            json.dumps(found, allow_nan=False)
        except ValueError:
            raise
        except Exception as error:  # whatever a user's own validator does
            raise ValueError(f"{type(error).__name__} in its validation") from error
        return found

    def _checked(self, value: dict[str, Any]) -> dict[str, Any]:
        if self.model is not None:
            return self._by_model(value)
        import jsonschema

        schema = _optional(self.json_schema) if self.profile else self.json_schema
        checker = jsonschema.validators.validator_for(schema)(schema)
        error = jsonschema.exceptions.best_match(checker.iter_errors(value))
        if error is not None:
            # jsonschema's own message repeats the value, which is private.
            where = ".".join(str(step) for step in error.path) or "it"
            wanted = _short(f"{error.validator}: {error.validator_value}")
            raise ValueError(f"{where} does not fit {wanted}")
        return value

    def _by_model(self, value: dict[str, Any]) -> dict[str, Any]:
        from pydantic import ValidationError

        try:
            made = self.model.model_validate(value)
        except ValidationError as error:
            problems = [
                problem
                for problem in error.errors(include_input=False, include_url=False)
                if not (self.profile and problem["type"] == "missing")
            ]
            if problems:
                where = ".".join(str(step) for step in problems[0]["loc"])
                raise ValueError(f"{where}: {problems[0]['msg']}") from None
            return self._by_field(value)
        found: dict[str, Any] = made.model_dump(
            mode="json", exclude_unset=self.profile, by_alias=True
        )
        return found

    def _by_field(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """A part of a profile that is no whole one: each of its fields for itself."""
        from pydantic import TypeAdapter, ValidationError

        found = {}
        for name, field_info in self.model.model_fields.items():
            key = next((k for k in (field_info.alias, name) if k in value), None)
            if key is None:
                continue
            try:
                shape: Any = Annotated[field_info.annotation, field_info]
                adapter: Any = TypeAdapter(shape)
                checked = adapter.validate_python(value[key])
            except ValidationError as error:
                # A part of a part: what is there was looked at by the whole model.
                problems = error.errors(include_input=False, include_url=False)
                if any(problem["type"] != "missing" for problem in problems):
                    raise ValueError(f"{key}: {problems[0]['msg']}") from None
                found[key] = value[key]
                continue
            found[key] = adapter.dump_python(
                checked, mode="json", exclude_unset=True, by_alias=True
            )
        return found


def says_anything(value: Mapping[str, Any]) -> bool:
    """Whether there is anything in a value at all."""
    return next(_leaves(value), None) is not None


def load(spec: str, *, profile: bool) -> Schema:
    """The schema a user named. Raises UsageError that says what was looked for."""
    if spec.endswith(".json"):
        return _from_file(Path(spec).expanduser(), profile=profile)
    where, colon, name = spec.rpartition(":")
    if not colon or not where or not name.isidentifier():
        raise UsageError(
            f"schema {spec!r}: write module:Class, file.py:Class, or a .json file"
        )
    module = _module(where, spec)
    model = getattr(module, name, None)
    if not _is_model(model):
        raise UsageError(f"schema {spec!r}: {where} has no pydantic model {name}")
    return _from_model(name, model, profile=profile)


def given(schema: object, *, profile: bool = False) -> Schema:
    """The schema that a program has at hand: a pydantic model, a JSON Schema as a
    dict, or a text as `load` takes it. Raises UsageError."""
    if isinstance(schema, str):
        return load(schema, profile=profile)
    if isinstance(schema, Mapping):
        name = str(schema.get("title") or "Memory")
        return _from_json(dict(schema), name, name, profile=profile)
    if _is_model(schema):
        return _from_model(getattr(schema, "__name__", ""), schema, profile=profile)
    raise UsageError(
        f"schema {_short(repr(schema), 60)}: a pydantic model is wanted, or a JSON "
        "Schema"
    )


def _is_model(model: object) -> bool:
    from pydantic import BaseModel

    return isinstance(model, type) and issubclass(model, BaseModel)


def _from_model(name: str, model: Any, *, profile: bool) -> Schema:
    try:
        json_schema = model.model_json_schema()
    except Exception as error:  # whatever a user's class does
        raise UsageError(f"schema {name!r}: {_short(str(error))}") from error
    about = (model.__doc__ or "").strip()
    return Schema(name, _short(about, 400), json_schema, profile, model)


def text_of(name: str, value: Mapping[str, Any]) -> str:
    """A value as one line, for reading, searching and comparing."""
    return f"{name}: {told(value) or '(empty)'}"


def told(value: Mapping[str, Any]) -> str:
    """What the fields of a value say, on one line; empty where they say nothing."""
    return "; ".join(f"{path}: {text}" for path, text in _leaves(value))


def _from_file(path: Path, *, profile: bool) -> Schema:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"schema {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"schema {path}: not valid JSON: {error}") from error
    return _from_json(content, str(path), path.stem, profile=profile)


def _from_json(content: Any, path: str, stem: str, *, profile: bool) -> Schema:
    import jsonschema

    if not isinstance(content, dict) or content.get("type", "object") != "object":
        raise UsageError(f"schema {path}: a schema of an object is wanted")
    try:
        jsonschema.validators.validator_for(content).check_schema(content)
    except jsonschema.exceptions.SchemaError as error:
        raise UsageError(f"schema {path}: {_short(error.message)}") from error
    _check_references(content, path)
    if "definitions" in content:  # as it was called before draft 2019-09
        content = json.loads(
            json.dumps(content).replace('"#/definitions/', '"#/$defs/')
        )
        content["$defs"] = content.pop("definitions") | content.get("$defs", {})
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", str(content.get("title") or stem))[:60]
    return Schema(
        name, _short(str(content.get("description", "")), 400), content, profile
    )


def _check_references(node: Any, path: str) -> None:
    """Only what the schema itself defines can be sent along."""
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and not re.fullmatch(
            r"#/(?:\$defs|definitions)/[^/]+", reference
        ):
            raise UsageError(
                f"schema {path}: cannot follow {_short(reference)!r}; put what it "
                "refers to under $defs"
            )
        for value in node.values():
            _check_references(value, path)
    elif isinstance(node, list):
        for value in node:
            _check_references(value, path)


def _module(where: str, spec: str) -> Any:
    try:
        if where.endswith(".py"):
            path = Path(where).expanduser().resolve()
            found = importlib.util.spec_from_file_location(f"_schema_{path.stem}", path)
            if found is None or found.loader is None or not path.is_file():
                raise UsageError(f"schema {spec!r}: there is no file {where}")
            module = importlib.util.module_from_spec(found)
            sys.modules[found.name] = module  # pydantic looks annotations up there
            found.loader.exec_module(module)
            return module
        here = str(Path.cwd())
        if here not in sys.path:  # `python -m` would find it, too
            sys.path.append(here)
        return importlib.import_module(where)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's module does
        raise UsageError(
            f"schema {spec!r}: {where} cannot be imported: {_short(str(error))}"
        ) from error


def _renamed(node: Any, name: str) -> Any:
    """References made unique, so that the definitions of several schemas mix."""
    if isinstance(node, dict):
        return {
            key: f"#/$defs/{name}.{value.rsplit('/', 1)[-1]}"
            if key == "$ref" and isinstance(value, str)
            else _renamed(value, name)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_renamed(item, name) for item in node]
    return node


def _without_titles(node: Any) -> Any:
    """pydantic titles every field with its own name; that would be paid for."""
    if isinstance(node, dict):
        return {
            key: _without_titles(value)
            for key, value in node.items()
            if not (key == "title" and isinstance(value, str))
        }
    if isinstance(node, list):
        return [_without_titles(item) for item in node]
    return node


def _optional(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Without the demand that fields be there."""
    found = {key: value for key, value in schema.items() if key != "required"}
    if isinstance(found.get("properties"), Mapping):
        found["properties"] = {
            key: _optional(inner) if isinstance(inner, Mapping) else inner
            for key, inner in found["properties"].items()
        }
    return found


def _without_none(value: Mapping[str, Any]) -> dict[str, Any]:
    """What a conversation does not speak of is often said as null, or nothing."""
    found = {
        key: _without_none(item) if isinstance(item, Mapping) else item
        for key, item in value.items()
    }
    return {key: item for key, item in found.items() if item not in (None, "", [], {})}


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        plain = [item for item in value if not isinstance(item, Mapping | list)]
        if plain:
            yield path, ", ".join(_plain(item) for item in plain)
        for item in value:
            if isinstance(item, Mapping | list):
                yield from _leaves(item, path)
    elif value is not None and value != "":
        yield path, _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(value).split())


def _short(text: str, most: int = 160) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"
