"""Specs: all that is wrong is told at once, with key path and line; what is right becomes the same jobs however it came."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest

from widthwise.errors import SpecError
from widthwise.sweeps.plan import data_key, every_setting, job_id, jobs, shard
from widthwise.sweeps.spec import SweepSpec, json_schema, read_spec

GOOD = {
    "name": "good",
    "settings": {"learning_rate": "10 / width", "steps": 7, "probes": ["flips"]},
    "product": {"width": [2, 4], "seed": {"count": 3}},
    "zip": {"kappa": [1.0, 2.0], "n": [5, "5 * depth"]},
}
WRONG = """
name = "../x"
tittle = "a"
steps = 3

[settings]
width = -5
learning_rate = "10 / wdth"
loss = "sqared"
n = "__import__('os')"
dpeth = 2

[product]
seed = []
width = [
  1,
  "x",
  3.5,
  true,
]
kappa = { from = 0, to = 1, count = 3, spacing = "log" }

[zip]
label_noise = [0.1, 0.2, 1.7]

[[figures]]
z = 1
"""


def settings_of(spec, changes=(), max_jobs=1000):
    return every_setting(*read_spec(spec, changes), max_jobs=max_jobs)


def refused(spec, changes=(), **options):
    with pytest.raises(SpecError) as told:
        settings_of(spec, changes, **options)
    return str(told.value)


def test_product_zip_and_formulas_give_every_combination_once():
    found = settings_of(GOOD)
    assert len(read_spec(GOOD)[0]) == len(found) == 2 * 3 * 2
    assert {(s.width, s.seed, s.kappa, s.n) for s in found} == {
        (w, seed, kappa, 5) for w in (2, 4) for seed in (0, 1, 2) for kappa in (1.0, 2.0)
    }
    assert all(s.learning_rate == 10 / s.width and s.steps == 7 and s.probes == ["flips"] for s in found)


def test_toml_dictionary_and_model_are_the_same_spec(tmp_path):
    path = tmp_path / "good.toml"
    path.write_text(
        'name = "good"\n[settings]\nlearning_rate = "10 / width"\nsteps = 7\nprobes = ["flips"]\n'
        '[product]\nwidth = [2, 4]\nseed = { count = 3 }\n[zip]\nkappa = [1.0, 2.0]\nn = [5, "5 * depth"]\n'
    )
    model = read_spec(GOOD)[0]
    assert read_spec(path)[0] == read_spec(str(path))[0] == model == read_spec(model)[0]
    assert read_spec(model.canonical())[0].canonical() == model.canonical()
    assert settings_of(path) == settings_of(model)


def test_everything_wrong_is_told_at_once_with_path_and_line(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(WRONG)
    text = refused(path)
    for line, key, words in (
        (2, "name", "becomes a folder"),
        (3, "tittle", "did you mean 'title'?"),
        (4, "steps", "it is a setting: put it under [settings]"),
        (7, "settings.width", "greater than or equal to 1; -5 came"),
        (8, "settings.learning_rate", "names 'wdth', which is no setting that is a number; did you mean 'width'?"),
        (9, "settings.loss", "'squared', 'mean_squared'"),
        (10, "settings.n", "not allowed"),
        (11, "settings.dpeth", "did you mean 'depth'?"),
        (14, "product.seed", "at least one value"),
        (17, "product.width[1]", "no setting that is a number"),
        (18, "product.width[2]", "valid integer; 3.5 came"),
        (19, "product.width[3]", "valid integer; True came"),
        (21, "product.kappa", "positive ends"),
        (24, "zip.label_noise[2]", "less than or equal to 1; 1.7 came"),
        (26, "figures[0].y", "is missing"),
    ):
        assert any(f"{path}:{line}: {key}: " in told and words in told for told in text.split("\n")), (line, key)
    assert "for 16 reasons" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "a"\n[settings\n', "line 2"),
        ('name = "a"\nname = "b"\n', "line 2"),
        ("\xff", "UTF-8"),
        ("name = 3\n", "wrong.toml:1: name: should be a valid string; 3 came"),
        ('name = "a"\nsettings = 3\n', "wrong.toml:2: settings: should be a valid dictionary"),
    ],
)
def test_what_is_not_a_spec_is_told(tmp_path, text, words):
    path = tmp_path / "wrong.toml"
    path.write_bytes(text.encode("latin-1"))
    assert words in refused(path)
    assert "absent.toml cannot be read" in refused(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    "name", ["../x", "CON", "con.txt", "x" * 300, "-x", "a\0b", "", "a/b", "a.", "lpt1", "é", "a b"]
)
def test_names_that_make_bad_folders_are_refused(name):
    assert "name: " in refused({"name": name})


def test_a_billion_jobs_are_counted_without_being_made():
    spec = {"name": "a", "product": {"seed": {"count": 100_000}, "data_seed": {"count": 10_000}}}
    assert "has 1,000,000,000 jobs" in refused(spec)
    assert "has 4 jobs; at most 3" in refused({"name": "a", "product": {"seed": {"count": 4}}}, max_jobs=3)


def test_what_only_shows_in_a_combination_is_told_at_its_axis():
    spec = {
        "name": "a",
        "settings": {"n": "width / 4", "learning_rate": "1 / (width - 6)"},
        "product": {"width": [4, 6, 7], "probes": [["flps"]]},
    }
    text = refused(spec)
    assert "settings.n: must be a whole number; 'width / 4' gives 1.5: use round, floor or ceil" in text
    assert "settings.learning_rate: the formula '1 / (width - 6)' has no value" in text or "settings.n" in text
    assert "settings.learning_rate: should be greater than 0; -0.5 came" in text
    assert "the width must be even" not in text  # 7 / 4 is refused before
    spec = {"name": "a", "product": {"width": [4, 7], "probes": [["flps"]]}}
    text = refused(spec)
    assert "product.width: an antisymmetric start pairs the neurons: the width must be even; 7 came" in text
    assert "product.probes: " in text
    assert "'flps'" in text


def test_formulas_in_a_circle_and_lists_of_two_lengths_are_told():
    assert "in a circle: n, width" in refused({"name": "a", "settings": {"n": "width", "width": "n"}})
    text = refused({"name": "a", "product": {"n": [1]}, "zip": {"n": [1, 2], "depth": [1, 2, 3]}})
    assert "zip.n: is on an axis of product too" in text
    assert "n has 2, depth has 3" in text


def test_assignments_replace_what_the_spec_says():
    changed = read_spec(GOOD, ("width=8", "name=other", "product.seed=[5]", "zip={}", "loss=mean_squared"))[0]
    assert changed.name == "other"
    assert changed.axes("product") == {"seed": [5]}
    assert changed.axes("zip") == {}
    assert changed.fixed()["width"] == 8
    assert changed.fixed()["loss"] == "mean_squared"
    assert "key=value" in refused(GOOD, ("width",))
    assert "settings.wdith: is not known" in refused(GOOD, ("wdith=3",))


def test_ranges_are_evenly_spaced_with_both_ends():
    spec = read_spec(
        {
            "name": "a",
            "product": {
                "learning_rate": {"from": 0.01, "to": 1.0, "count": 3, "spacing": "log"},
                "width": {"from": 1, "to": 4, "count": 7},
                "seed": {"from": 3, "count": 2},
            },
        }
    )[0]
    axes = spec.axes("product")
    np.testing.assert_allclose(axes["learning_rate"], [0.01, 0.1, 1.0], rtol=1e-15)
    assert axes["width"] == [1, 2, 3, 4]
    assert axes["seed"] == [3, 4]


def test_the_id_of_a_job_is_that_of_its_content():
    settings = settings_of(GOOD)
    digests = {data_key(one): "d" * 64 for one in settings}
    planned = jobs(settings, digests)
    assert len({job.id for job in planned}) == len(planned)
    assert [job.id for job in jobs(settings[::-1], digests)] == [job.id for job in planned][::-1]
    content = json.loads(json.dumps(planned[0].content))
    assert job_id(content) == planned[0].id
    for change in ({"data": "e" * 64}, {"plan": {"threads": 2}}, {"settings": {**content["settings"], "seed": 9}}):
        assert job_id({**content, **change}) != planned[0].id


def test_shards_part_the_jobs():
    settings = settings_of(GOOD)
    planned = jobs(settings, {data_key(one): "d" for one in settings})
    parts = [shard(planned, i, 3) for i in (1, 2, 3)]
    assert sorted(job.id for part in parts for job in part) == sorted(job.id for job in planned)
    assert [shard(planned[::-1], i, 3)[::-1] for i in (1, 2, 3)] == parts


def test_the_schema_takes_what_the_model_takes():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(SweepSpec.model_validate(GOOD).canonical(), schema)
    for bad in ({"name": "a", "x": 1}, {"name": "a", "settings": {"width": 0}}, {"name": "a", "product": {"seed": []}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)
