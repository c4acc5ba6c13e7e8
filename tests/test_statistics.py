"""From records to numbers, on cases whose answer is known."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import t as student_t

from lrar.bootstrap import SeedError, bootstrap_gap, bootstrap_interval
from lrar.clips import DataError
from lrar.pooling import fused_records, outcome
from lrar.records import Record
from lrar.statistics import (
    compare,
    seed_error,
    table,
    verdict,
    weighted,
)


def record(
    row: str,
    correct: str,
    *,
    stream: str = "rgb",
    fold: int = 0,
    seed: int = 0,
    clips: list[str] | None = None,
    groups: str | None = None,
    confidence: float = 0.6,
    seconds: float = 2.0,
    **data,
) -> Record:
    """A run on two classes in which `correct` holds a 1 for each clip that was recognised; all are of class 0."""
    share = [confidence if hit == "1" else 1 - confidence for hit in correct]
    return Record(
        id=f"{row}{stream}{fold}{seed}",
        study="full",
        row=row,
        experiment={
            "data": {"dataset": "made-up", "protocol": "actor", "fold": fold, "every": 1} | data,
            "stream": stream,
            "seed": seed,
        },
        fingerprint="f",
        classes=["a", "b"],
        fold_name="x",
        n_train=1,
        provenance={},
        losses=[1.0],
        train_seconds=seconds,
        clips=clips or [f"{fold}-clip{i}" for i in range(len(correct))],
        labels=[0] * len(correct),
        groups=list(groups or "ab" * len(correct))[: len(correct)],
        probabilities=[[p, 1 - p] for p in share],
    )


def test_interval_of_equal_groups_is_a_point():
    assert bootstrap_interval(np.tile([0.0, 1.0], 5), np.repeat(np.arange(5), 2)) == (0.5, 0.5)


def test_interval_of_two_opposite_groups_is_everything():
    assert bootstrap_interval(np.array([0.0, 0, 1, 1]), np.array(["a", "a", "b", "b"])) == (0.0, 1.0)


def test_interval_of_many_groups_is_the_normal_one():
    values = np.tile([0.0, 1.0], 200)
    low, high = bootstrap_interval(values, np.arange(400))
    reach = 1.96 * 0.5 / np.sqrt(400)
    assert low == pytest.approx(0.5 - reach, abs=0.005)
    assert high == pytest.approx(0.5 + reach, abs=0.005)
    narrower = bootstrap_interval(values, np.arange(400), level=0.5)
    assert low < narrower[0] < narrower[1] < high
    assert bootstrap_interval(values, np.arange(400)) == (low, high)


def test_groups_matter():
    """Clips that succeed and fail together are worth less than as many that stand for themselves."""
    values = np.repeat([0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0], 10)
    alone = np.subtract(*bootstrap_interval(values, np.arange(100))[::-1])
    together = np.subtract(*bootstrap_interval(values, np.repeat(np.arange(10), 10))[::-1])
    assert together > 2.5 * alone


def test_large_groups_weigh_more():
    low, high = bootstrap_interval(np.array([1.0] * 9 + [0.0]), np.array(["a"] * 9 + ["b"]))
    assert (low, high) == (0.0, 1.0)
    values, groups = np.array([1.0] * 9 + [0.0, 0.0]), np.array(["a"] * 9 + ["b", "c"])
    means = sorted({9 / 9, 18 / 19, 9 / 11, 9 / 10, 0.0})  # of what can be drawn, some of it
    assert bootstrap_interval(values, groups)[1] == means[-1]
    assert bootstrap_interval(values, groups, level=0.1)[0] == pytest.approx(9 / 11)


def test_no_interval_from_one_group():
    assert np.isnan(bootstrap_interval(np.array([0.0, 1.0]), np.array(["a", "a"]))).all()


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 2.0, "supported"),
        (-2.0, -0.1, "contradicted"),
        (-1.0, 1.0, "inconclusive"),
        (0.0, 1.0, "inconclusive"),
        (-1.0, 0.0, "inconclusive"),
        (float("nan"), float("nan"), "not tested"),
    ],
)
def test_verdict(low, high, expected):
    assert verdict(low, high) == expected


def test_mcnemar_by_hand():
    # 8 gained, 2 lost, 10 alike: p = 2 (1 + 10 + 45) / 2^10.
    result = compare(
        [record("new", "1" * 8 + "0" * 2 + "1" * 10), record("old", "0" * 8 + "1" * 2 + "1" * 10)],
        row="new",
        baseline="old",
        stream="rgb",
    )
    assert (result.gained, result.lost) == (8, 2)
    assert result.p_value == pytest.approx(112 / 1024)
    assert result.difference == pytest.approx(30)
    assert (result.n_clips, result.seeds, result.folds) == (20, 1, 1)


def test_rows_alike_differ_by_nothing():
    result = compare([record("new", "1100"), record("old", "1100")], row="new", baseline="old", stream="rgb")
    assert (result.difference, result.low, result.high, result.p_value) == (0, 0, 0, 1)
    assert result.verdict == "inconclusive"


def test_a_gain_in_every_group_is_supported_and_the_reverse_contradicted():
    records = [record("new", "1111"), record("old", "1100", groups="abab")]
    assert compare(records, row="new", baseline="old", stream="rgb").verdict == "supported"
    assert compare(records, row="old", baseline="new", stream="rgb").verdict == "contradicted"
    one_group = [record("new", "11", groups="aa"), record("old", "10", groups="aa")]
    assert compare(one_group, row="new", baseline="old", stream="rgb").verdict == "not tested"


def test_only_common_clips_are_compared():
    records = [
        record("new", "111", clips=["a", "b", "c"]),
        record("new", "0000", fold=1),  # the baseline has no such fold
        record("old", "100", clips=["b", "c", "d"]),
    ]
    result = compare(records, row="new", baseline="old", stream="rgb")
    assert (result.n_clips, result.folds) == (2, 1)
    assert result.difference == pytest.approx(50)
    assert (result.gained, result.lost) == (1, 0)
    assert compare(records, row="new", baseline="other", stream="rgb") is None
    assert compare(records, row="new", baseline="old", stream="flow") is None
    apart = [record("new", "1", clips=["a"]), record("old", "1", clips=["b"])]
    assert compare(apart, row="new", baseline="old", stream="rgb") is None


def test_seeds_are_averaged_clip_by_clip():
    records = [record("new", "1100"), record("new", "1010", seed=1), record("old", "0000")]
    result = outcome(records, row="new", stream="rgb")
    assert list(result.correct.values()) == [1, 0.5, 0.5, 0]
    assert (result.seeds, result.folds, result.accuracy) == (2, 1, 0.5)
    comparison = compare(records, row="new", baseline="old", stream="rgb")
    assert comparison.difference == pytest.approx(50)
    assert comparison.seeds == 1
    assert (comparison.gained, comparison.lost) == (2, 0)  # of the first seed alone


def test_folds_do_not_mix():
    records = [record("new", "10", fold=0), record("new", "11", fold=1, clips=["0-clip0", "x"])]
    result = outcome(records, row="new", stream="rgb")
    assert len(result.correct) == 4  # a clip that two folds test counts in each
    assert result.folds == 2
    assert set(result.fold.values()) == {0, 1}


def test_fusion_is_the_mean_of_probabilities():
    # Clip 0: 0.9 and 0.4 of class 0 make 0.65. Clip 1: 0.1 and 0.6 make 0.35.
    rgb, flow = record("new", "10", confidence=0.9), record("new", "01", stream="flow", confidence=0.6, seconds=3.0)
    (fused,) = fused_records([rgb, flow, record("other", "11")])
    assert (fused.stream, fused.row, fused.train_seconds) == ("both", "new", 5.0)
    np.testing.assert_allclose(fused.probabilities, [[0.65, 0.35], [0.35, 0.65]])
    assert rgb.id in fused.id
    assert flow.id in fused.id
    assert outcome([rgb, flow], row="new", stream="both").accuracy == 0.5


@pytest.mark.parametrize("change", [{"seed": 1}, {"fold": 1}, {"every": 5}, {"protocol": "random"}])
def test_only_runs_of_one_fold_seed_and_data_are_fused(change):
    assert fused_records([record("new", "10"), record("new", "10", stream="flow", **change)]) == []


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 2, 1), (2, 1, 0, 3), (3, 2, 1, 0)])
def test_only_runs_on_clips_of_the_same_content_are_fused(order):
    """Runs of the same name before and after a clip was changed, in whatever order their files stand."""
    runs = [
        dataclasses.replace(record("new", correct, stream=stream), fingerprint=content)
        for content, correct in (("before", "11"), ("after", "00"))
        for stream in ("rgb", "flow")
    ]
    fused = fused_records([runs[number] for number in order])
    assert {one.fingerprint: one.correct.tolist() for one in fused} == {"before": [True] * 2, "after": [False] * 2}


def test_streams_that_saw_other_clips_are_not_fused():
    with pytest.raises(DataError, match="saw other clips"):
        fused_records([record("new", "10"), record("new", "10", stream="flow", clips=["x", "y"])])


def test_table():
    records = [
        record("new", "1110", fold=0),
        record("new", "1000", fold=1, seconds=4.0),
        record("new", "1111", fold=0, stream="flow", confidence=0.9),
        record("new", "1111", fold=1, stream="flow", confidence=0.9),
    ]
    lines = table(records, rows=["new", "absent"]).set_index("stream")
    assert list(lines.index) == ["rgb", "flow", "both"]
    rgb = lines.loc["rgb"]
    assert (rgb.row, rgb.accuracy, rgb.folds, rgb.seeds, rgb.clips, rgb.seconds) == ("new", 50, 2, 1, 8, 3)
    assert rgb.spread == pytest.approx(100 * np.std([0.75, 0.25], ddof=1))
    assert lines.loc["both"].accuracy == 100
    assert lines.loc["both"].seconds == 3 + 2, "one run of each stream"
    assert table(records, rows=["absent"]).empty


@pytest.mark.parametrize("change", [{"dataset": "another"}, {"protocol": "random"}, {"every": 5}])
def test_runs_of_several_kinds_are_not_pooled(change):
    with pytest.raises(DataError, match="cannot be pooled"):
        outcome([record("new", "10"), record("new", "10", **change)], row="new", stream="rgb")


def test_runs_of_two_data_sets_or_studies_are_not_fused():
    rgb, flow = record("new", "10"), record("new", "10", stream="flow")
    assert fused_records([rgb, record("new", "10", stream="flow", dataset="another")]) == []
    assert fused_records([rgb, dataclasses.replace(flow, study="another")]) == []


def test_a_group_that_several_folds_test_is_one_group():
    runs = [
        record(row, hits, fold=fold, groups="ab") for row, hits in (("new", "10"), ("old", "00")) for fold in range(4)
    ]
    result = compare(runs, row="new", baseline="old", stream="rgb")
    assert (result.low, result.high, result.verdict) == (0, 100, "inconclusive")  # two groups, however many folds


def test_an_end_that_is_zero_reads_zero():
    values = np.array([2 / 3 - 1 / 3, 1 / 3 - 0, 1 / 3 - 1] * 3)  # of three seeds; their sum is 0, in floats it is not
    assert values[:3].sum() != 0
    assert bootstrap_interval(values, np.repeat(list("abc"), 3)) == (0, 0)


@pytest.mark.parametrize("rows", [("new", "new"), ("new", "old")])
def test_clips_of_other_content_are_neither_pooled_nor_compared(rows):
    runs = [record(rows[0], "10"), dataclasses.replace(record(rows[1], "10", seed=1), fingerprint="changed")]
    with pytest.raises(DataError, match="changed between these runs"):
        compare([*runs, *([record("old", "10")] * (rows[1] == "new"))], row="new", baseline="old", stream="rgb")


def test_mcnemar_is_of_the_first_seed_that_both_rows_have():
    runs = [record("new", "0000", seed=0), record("new", "1100", seed=1), record("new", "1111", seed=2)]
    runs += [record("old", "0000", seed=1), record("old", "0000", seed=2)]
    result = compare(runs, row="new", baseline="old", stream="rgb")
    assert (result.gained, result.lost, result.p_value) == (2, 0, 0.5)
    assert compare([runs[0], runs[3]], row="new", baseline="old", stream="rgb") is None


def test_rows_are_compared_at_the_seeds_that_both_have():
    """A baseline with more seeds does not lend a row its better or worse ones."""
    runs = [record("new", "1100"), record("old", "1000"), record("old", "1111", seed=1)]
    runs += [
        record("new", "1100", fold=1, seed=1),
        record("old", "0000", fold=1),
        record("old", "1000", fold=1, seed=1),
    ]
    result = compare(runs, row="new", baseline="old", stream="rgb")
    assert (result.difference, result.seeds, result.folds, result.runs) == (25, 1, 2, 2)
    flow = [dataclasses.replace(run, experiment=run.experiment | {"stream": "flow"}) for run in runs[:2]]
    result = compare([*runs, *flow], row="new", baseline="old", stream="both")
    assert (result.n_clips, result.runs) == (4, 1), "fold 1 has no flow"


def test_error_of_seeds_by_hand():
    """Fold 0, four clips: +25 and +75 points; fold 1, two clips: +50 and +50."""
    runs = [record("old", "0000", seed=seed) for seed in (0, 1)] + [
        record("new", "1000"),
        record("new", "1110", seed=1),
    ]
    runs += [record(row, hits, fold=1, seed=seed) for row, hits in (("old", "00"), ("new", "10")) for seed in (0, 1)]
    of_fold_0 = 100 * np.std([0.25, 0.75], ddof=1) / 2**0.5
    error = seed_error(runs, row="new", baseline="old", stream="rgb")
    assert error.points == pytest.approx(of_fold_0 * 4 / 6)
    assert error.freedom == 1, "all of the spread is that of two seeds of one fold"
    assert seed_error(runs[:-1], row="new", baseline="old", stream="rgb") is None, "fold 1 has one seed of both"
    assert seed_error(runs, row="new", baseline="none", stream="rgb") is None


def test_folds_that_spread_alike_add_their_degrees_of_freedom():
    """Each of two folds has one degree; at the second seed one gains what the other loses, so together they do not spread."""
    runs = [record("old", "0000", fold=fold, seed=seed) for fold in (0, 1) for seed in (0, 1)]
    runs += [
        record("new", "1110" if fold == seed else "1000", fold=fold, seed=seed) for fold in (0, 1) for seed in (0, 1)
    ]
    error = seed_error(runs, row="new", baseline="old", stream="rgb")
    assert error.points == pytest.approx(100 * (2 * np.var([1, 3], ddof=1) / 2) ** 0.5 / 8)
    assert error.freedom == pytest.approx(2)


def test_error_of_seeds_that_move_all_folds_alike_by_hand():
    """Both folds gain two clips more at the second seed, so what is gained over both differs by four of six."""
    runs = [record("old", "0000", seed=seed) for seed in (0, 1)] + [record("old", "00", fold=1, seed=s) for s in (0, 1)]
    runs += [record("new", "1000"), record("new", "1110", seed=1)]
    runs += [record("new", "00", fold=1), record("new", "11", fold=1, seed=1)]
    error = seed_error(runs, row="new", baseline="old", stream="rgb")
    assert error.points == pytest.approx(100 * np.std([1, 5], ddof=1) / 2**0.5 / 6)
    assert error.freedom == 1


@pytest.mark.parametrize("freedom", [2, np.inf])
def test_an_error_of_seeds_makes_an_interval_wider(freedom):
    """By Welch and Satterthwaite: two variances, of which the first is known with so many degrees, the second well."""
    values = np.random.default_rng(1).normal(size=400)
    low, high = bootstrap_interval(values, np.arange(400), error=SeedError(points=20, freedom=freedom))
    whole = 0.2**2 + values.var() / 400
    half = student_t.ppf(0.975, freedom * whole**2 / 0.2**4) * whole**0.5
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.025 * half)
    assert freedom == np.inf or half > 1.25 * 1.96 * whole**0.5


def test_no_error_of_seeds_changes_nothing():
    values, groups = np.array([1.0, 0, 0, 1, 1]), np.arange(5)
    assert bootstrap_interval(values, groups, error=SeedError(points=0, freedom=2)) == bootstrap_interval(
        values, groups
    )


def test_rows_add_up_by_hand():
    """What the one step adds minus what the other adds, at the seed that all three rows have."""
    runs = [record("a", "0000"), record("b", "1100"), record("c", "1110"), record("b", "0000", seed=1)]
    weights = {"b": 2, "a": -1, "c": -1}
    found = weighted(runs, weights=weights, stream="rgb")
    assert found.values.tolist() == [1, 1, -1, 0]
    assert (found.seeds, found.folds, len(found.names)) == (1, 1, 4)
    every = weighted(runs, weights=weights, stream="rgb", same_seeds=False)
    assert every.values.tolist() == [0, 0, -1, 0], (
        "row b is right on each of the first two clips at one of its two seeds"
    )
    assert weighted(runs, weights={"a": 1, "none": -1}, stream="rgb") is None


def test_how_far_two_kinds_of_clips_lie_apart():
    generator = np.random.default_rng(2)
    first = np.repeat([True, False], 300)
    values = generator.normal(size=600) + first
    low, high = bootstrap_gap(values, np.arange(600), first=first)
    half = 1.96 * (values[first].var() / 300 + values[~first].var() / 300) ** 0.5
    gap = values[first].mean() - values[~first].mean()
    assert (low, high) == pytest.approx((gap - half, gap + half), abs=0.02)
    # A group that has clips on both sides moves both, so what it moves in common is no uncertainty of the gap.
    level = np.repeat(generator.normal(size=300), 2)
    apart = bootstrap_gap(level, np.repeat(np.arange(300), 2), first=np.tile([True, False], 300))
    assert apart == pytest.approx((0, 0), abs=1e-9)


def test_the_interval_of_a_row_is_over_groups_not_over_groups_and_folds():
    line = table([record("new", "10", fold=fold, groups="ab") for fold in range(4)], rows=["new"]).iloc[0]
    assert (line.low, line.high) == (0, 100)


def test_runs_of_one_name_that_were_made_in_two_ways_are_neither_fused_nor_pooled():
    def made(stream: str, epochs: int, seed: int = 0) -> Record:
        run = record("new", "10", stream=stream, seed=seed)
        return dataclasses.replace(run, experiment=run.experiment | {"recipe": {"epochs": epochs}})

    fused = fused_records([made("rgb", 20), made("rgb", 40), made("flow", 20), made("flow", 40)])
    assert [run.experiment["recipe"]["epochs"] for run in fused] == [20, 40]
    assert fused_records([made("rgb", 20), made("flow", 40)]) == []
    with pytest.raises(DataError, match="differ in more than fold and seed"):
        outcome([made("rgb", 20), made("rgb", 40, seed=1)], row="new", stream="rgb")
