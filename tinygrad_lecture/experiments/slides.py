"""The lecture's places, L01 to L71: part, slide, and what of the package it is about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .registry import claims

__all__ = ["PARTS", "Part", "Slide", "index"]


@dataclass(frozen=True)
class Slide:
    """A place of the lecture.

    Attributes
    ----------
    id : str
        L01 to L71.
    title : str
        Of the slide, or of the reading that it links to.
    names : tuple of str
        What of the package it is about, below ``tinygrad_lecture``: "nn.Linear".
    """

    id: str
    title: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """A part of the lecture.

    Attributes
    ----------
    title : str
    notebook : str
        The one that shows its claims: "01-depth".
    slides : tuple of Slide
    """

    title: str
    notebook: str
    slides: tuple[Slide, ...]


def _part(title: str, notebook: str, first: int, text: str) -> Part:
    """Read the slides of a part: one a line, title and names, numbered from the first."""
    rows = (line.split(" | ") for line in text.strip().splitlines())
    slides = (
        Slide(f"L{k:02}", name, tuple(names.split())) for k, (name, names) in enumerate(rows, first)
    )
    return Part(title, notebook, tuple(slides))


PARTS = (
    _part("Depth matters", "01-depth", 1, """
Single neuron | nn.Linear nn.Sigmoid logic.ThresholdNeuron logic.count_threshold_functions
The XOR problem | data.xor logic.separate
The old approach: features by hand | logic.phi_or_and data.FeatureMap
Logic networks | logic.OR logic.AND logic.NOT logic.NAND logic.ThresholdNeuron.as_sigmoid
Full XOR network | logic.xor_net
Depth matters | logic.parity_tree logic.parity_counting
Hidden layer: a really big deal | logic.DNFNet logic.CNFNet logic.minimize
Hidden layer, for real functions | nn.Sequential nn.Tanh
Optimization hardness | logic.CNF logic.SATNet logic.solve_by_gradient logic.solve_by_dpll
"""),
    _part("Error backpropagation", "02-backprop", 10, """
Backprop intuitions | Value Value.backward Tape draw draw.stepper
Backprop intuitions, in vectors | Value matmul vjp jacobian op
Modular implementation | nn.manual.Linear nn.manual.Tanh nn.manual.SoftmaxCE
Full net implementation | nn.Module nn.Sequential nn.Parameter
Gradient check (Bottou, cs231n) | gradcheck gradcheck.numeric_gradient gradcheck.taylor_test
"""),
    _part("Training intuitions", "03-sgd", 15, """
Function fitting | nn.MSELoss nn.HalfMSELoss data.split train.evaluate
Gradient descent | optim.SGD train.fit
Perceptron | logic.Perceptron
Stochastic gradient descent | data.DataLoader optim.SGD
SGD for linear regression | optim.SGD nn.HalfMSELoss
SGD: importance of α | optim.SGD
SGD: schedules for α | optim.lr_scheduler.InverseTimeLR optim.lr_scheduler.robbins_monro
SGD tricks (Bottou) | optim.ASGD optim.lr_scheduler.BottouLR train.babysit.calibrate_lr
Practical schedules for α | optim.SGD
SGD intuitions: flat and sharp | train.sharpness
Impact of the learning rate | train.diagnose_curve
Practical learning rates | optim.lr_scheduler.StepLR optim.lr_scheduler.MultiStepLR
Fancy schedules: cyclical rates | optim.lr_scheduler.CyclicLR
Learning rate range test | train.lr_range_test
Cosine cycles | optim.lr_scheduler.SnapshotCosineLR optim.lr_scheduler.CosineAnnealingWarmRestarts
"""),
    _part("Speeding up SGD", "04-optimizers", 30, """
Speeding up SGD: momentum | optim.SGD
Momentum in theory (Distill) | optim.SGD
Theoretical justification: Nesterov | optim.SGD
Only use the sign of the gradient | optim.Rprop
Rprop for SGD: RMSProp | optim.RMSprop
Recommended default: Adam | optim.Adam optim.AdamW
AdaMax | optim.Adamax
Large steps here, small steps there | optim.Adagrad
"""),
    _part("Averaging, monitoring, stopping", "05-averaging", 38, """
Model averaging | train.train_ensemble train.Ensemble
Snapshot ensembles | train.SnapshotEnsemble
Stabilize the weights | optim.swa_utils.AveragedModel optim.swa_utils.update_bn
What to monitor | train.Monitor train.look
Good practices: save and analyse | train.CheckpointManager train.analyze
Early stopping | train.EarlyStopping
Patience algorithm | train.Patience
Reduce the rate on a plateau | optim.lr_scheduler.ReduceLROnPlateau
"""),
    _part("Scale, initialization, normalization", "06-scale", 46, """
Scale matters | nn.ScaledLinear
Choose initial weights wisely | data.Standardize nn.init.normal_
Rules of thumb for tanh | nn.init.uniform_ nn.init.calculate_gain
Also account for fan-out | nn.init.xavier_uniform_ nn.init.xavier_normal_
For ReLU, √2 times larger | nn.init.kaiming_uniform_ nn.init.kaiming_normal_
Batch normalization | nn.BatchNorm1d
Batch normalization, backward | nn.functional.batch_norm nn.manual.BatchNorm1d
Batch normalization: why it helps | nn.BatchNorm1d
"""),
    _part("Activations and shortcuts", "07-activations", 54, """
Avoid flat regions | nn.CrossEntropyLoss softmax_cross_entropy
Tanh instead of sigmoid | nn.Tanh nn.Sigmoid
ReLU | nn.ReLU
Maxout | nn.Maxout
Gradient shortcuts: residual networks | nn.ResidualBlock nn.ResNetMLP
A set of activation functions | nn.LeakyReLU nn.ELU plots.activations
Newcomers: Swish | nn.Swish nn.SiLU
"""),
    _part("Babysitting and the linked readings", "08-babysitting", 61, """
The loss at the start (cs231n) | train.babysit.check_initial_loss train.babysit.check_regularization
Overfit a tiny subset (cs231n) | train.babysit.overfit_tiny
Find a learning rate (cs231n) | train.babysit.probe_lr
Coarse to fine, at random (cs231n) | train.search.random_search train.search.coarse_to_fine
Update ratio and gap (cs231n) | train.babysit.check_update_ratio train.diagnose_gap
Inputs (LeCun) | data.Standardize data.PCAWhiten data.shuffle_by_class
1.7159 tanh(2x/3) (LeCun) | nn.LeCunTanh data.signed_targets
Recommendations (Bengio) | optim.lr_scheduler.BengioLR
Lecture 6 (Hinton) | optim.GainSGD optim.lr_scheduler.MomentumWarmup
Lecture 7 (cs231n) | nn.Dropout optim.LBFGS
"""),
    Part("All of it", "00-the-package", (Slide("L71", "Notebooks", ("teach.lessons",)),)),
)  # fmt: skip
"""The parts of the lecture in its order."""


def index() -> str:
    """Return the index of the lecture as Markdown: slide, functions, claims, by notebook.

    Examples
    --------
    >>> import tinygrad_lecture as tg
    >>> print(tg.experiments.index()[:45])
    ## Depth matters: [01-depth](01-depth.ipynb)
    """
    return "\n".join(_tables())


def _tables() -> Iterator[str]:
    for part in PARTS:
        yield f"## {part.title}: [{part.notebook}]({part.notebook}.ipynb)\n"
        yield "| id | slide | functions | claims |\n|---|---|---|---|"
        for slide in part.slides:
            names = ", ".join(f"`tg.{name}`" for name in slide.names)
            found = [c for c in claims() if c.id == slide.id]
            said = "<br>".join(
                f"{c.statement.replace('|', '&#124;')}"
                + (f" (`{c.name}`)" if c.experiment else f" ({c.reason})")
                for c in found
            )
            yield f"| {slide.id} | {slide.title} | {names} | {said} |"
        yield ""
