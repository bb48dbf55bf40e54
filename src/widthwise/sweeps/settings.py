"""The settings of one training: everything that decides its numbers, with nothing left to be looked up."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _printable(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("must be a printable text")
    return text


Text = Annotated[str, AfterValidator(_printable)]


class Settings(BaseModel):
    """One training.

    A setting that is a number may be a formula of other settings in a spec, as `learning_rate = "10 / width"`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    # Data
    data: Text = Field(
        "digits",
        description="Name or path, as `widthwise.load` takes it; or generated: `synthetic:clusters`, `synthetic:sine`, "
        "`synthetic:tanh`.",
    )
    target: Text | None = Field(None, description="Column of the labels, where the data are a file.")
    n: Count | None = Field(None, description="Training rows, chosen by `data_seed`; all that are not held out.")
    n_test: Annotated[int, Field(ge=0)] = Field(0, description="Rows held out for the test error.")
    d: Count | None = Field(None, description="Columns of `synthetic:clusters`, 1000 when not given.")
    sigma: Positive | None = Field(None, description="Spread within a component of `synthetic:clusters`.")
    scale: Literal["auto", "standardise", "unit", "none"] = Field("auto", description="Scaling of the features.")
    tau: Annotated[float, Field(ge=0)] = Field(0.0, description="Size of an appended constant coordinate.")
    label_noise: Share = Field(0.0, description="Share of training rows that get another class, chosen at random.")
    data_seed: Seed = Field(0, description="Of the choice of rows and of the label noise.")

    # Network
    network: Literal["mlp", "liliang2018", "allenzhu2018", "allenzhu2018-three-layer", "arora2019"] = Field(
        "mlp", description="The fully connected network of the settings below, or that of a paper at this width."
    )
    width: Count = Field(1024, description="Neurons of each hidden layer.")
    depth: Count = Field(1, description="Hidden layers.")
    parametrisation: Literal["ntk", "standard", "mean_field", "plain", "chen2019"] = Field(
        "ntk", description="What is a factor, what a weight."
    )
    trained: Literal["first", "last", "hidden", "weights", "all"] = Field("first", description="Parameters that move.")
    antisymmetric: bool | None = Field(
        None,
        description="Neurons start in pairs that cancel; by default where the depth is 1 and the readout is signs.",
    )
    kappa: Positive = Field(1.0, description="Deviation of the first layer's weights.")
    activation: Literal["relu", "abs", "linear", "erf"] = Field("relu", description="Of the hidden layers.")
    readout: Literal["signs", "gaussian"] = Field("signs", description="Law of the last weights.")
    weight_variance: Positive = Field(1.0, description="Variance of a weight times its fan-in.")
    bias_variance: Annotated[float, Field(ge=0)] = Field(0.0, description="Variance of every bias.")
    input_scale: Positive = Field(1.0, description="Covariance of the first pre-activations over x.z.")
    last_variance: Positive | None = Field(None, description="That of the output layer, where it differs.")
    alpha: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        None, description="Exponent of the output's factor, `chen2019` and `plain`."
    )

    # Training
    loss: Literal["squared", "mean_squared", "logistic", "cross_entropy"] = Field(
        "squared", description="Of the outputs."
    )
    optimizer: Literal["gd", "sgd", "momentum", "adam"] = Field("gd", description="Rule of the step.")
    learning_rate: Positive = Field(0.1, description="On the loss as it is chosen: `squared` sums over rows.")
    steps: Count = Field(200, description="Steps of training.")
    batch_size: Count | None = Field(None, description="Rows of a step, `sgd` only.")
    sampling: Literal["reshuffle", "replacement", "one_pass"] = Field("reshuffle", description="How batches are drawn.")
    dtype: Literal["float32", "float64"] = Field("float32", description="Precision of training.")
    seed: Seed = Field(0, description="Of the start and of the batches.")

    # Measures
    probes: list[Text] = Field(default_factory=list, description="Names of probes that watch the training.")
    every: Count | None = Field(None, description="Steps between measures; a few dozen in all when not given.")


def is_number(name: str) -> bool:
    """Whether a setting takes a number, and so a formula."""
    return re.search(r"\b(int|float)\b", str(Settings.model_fields[name].annotation)) is not None


def is_whole(name: str) -> bool:
    """Whether a setting takes whole numbers only."""
    annotation = str(Settings.model_fields[name].annotation)
    return is_number(name) and "float" not in annotation


NUMBERS: Final = tuple(name for name in Settings.model_fields if is_number(name))


def annotated(name: str) -> Any:
    """The type of a setting with its limits."""
    field = Settings.model_fields[name]
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
