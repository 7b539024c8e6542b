# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-doc says of a role is what the role does: the one reads argument_specs.yml, the other defaults/main.yml."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).parents[3] / "roles").iterdir() if path.is_dir())


def load(path: Path) -> t.Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def is_template(value: t.Any) -> bool:
    return isinstance(value, str) and "{{" in value


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_agree(role: Path) -> None:
    defaults = load(role / "defaults" / "main.yml")
    options = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert set(defaults) == set(options)
    documented = {name: option["default"] for name, option in options.items() if "default" in option}
    assert documented == {name: value for name, value in defaults.items() if not is_template(value)}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_options_are_in_the_readme(role: Path) -> None:
    readme = (role / "README.md").read_text(encoding="utf-8")
    options = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert [name for name in options if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_variables_carry_the_name_of_their_role(role: Path) -> None:
    names = {**load(role / "defaults" / "main.yml"), **(load(role / "vars" / "main.yml") if (role / "vars").exists() else {})}
    assert [name for name in names if not name.startswith(f"{role.name}_")] == []
