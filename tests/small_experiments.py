"""Experiments small enough to be run in a test."""

from lrar.experiment import Data, Distillation, Experiment, Recipe, SuperResolution
from lrar.studies import FLOW_METHOD

RECIPE = Recipe(epochs=1, batch=4, frames=4, bfloat16=False)
DATA = Data(dataset="ixmas6", fold=1)


def network(data: Data = DATA, **changes) -> SuperResolution:
    return SuperResolution(data=data, **({"width": 8, "blocks": 1, "steps": 10, "batch": 4} | changes))


def teacher(data: Data = DATA, *, stream: str = "rgb", **changes) -> Experiment:
    whole = {"source": "hr", "attention": "joint", "recipe": RECIPE, "flow_method": FLOW_METHOD[stream]}
    return Experiment(data=data, stream=stream, **(whole | changes))


def student(data: Data = DATA, *, stream: str = "rgb", **changes) -> Experiment:
    whole = {
        "flow_method": FLOW_METHOD[stream],
        "source": "sr",
        "super_resolution": network(data),
        "attention": "joint",
        "teacher": teacher(data, stream=stream),
        "distillation": Distillation(logit=0.5, feature=1.0),
        "recipe": RECIPE,
    }
    return Experiment(data=data, stream=stream, **(whole | changes))
