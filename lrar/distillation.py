"""What a teacher that sees HR can tell a student that sees LR::

    L = (1 - a) CE(student, label) + a T^2 KL(teacher || student) + b |f_s - f_t|^2 + m |mean F_s - mean F_t|^2
        + c AT(F_s, F_t)

with F the feature maps and f what is pooled from them, by attention where a network has it. Feature vectors are compared
at unit length. Each term can be zero.
"""

import torch
import torch.nn.functional as F


def logit_loss(student: torch.Tensor, teacher: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Softened-softmax distillation, `T^2 KL(teacher || student)` (Hinton et al. 2015, arXiv 1503.02531).

    The factor T^2 keeps the gradient's size independent of the temperature.

    Args:
        student: logits `(B, classes)`.
        teacher: logits `(B, classes)`.
    """
    return temperature**2 * F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",  # "mean" would also divide by the number of classes
        log_target=True,
    )


def feature_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Squared distance of features on the unit sphere, 0 to 4 (after FitNets, Romero et al. 2015).

    Of a teacher that ends in a layer norm and a student that averages maps without negative values it cannot come near 0.

    Args:
        student: `(B, D)`.
        teacher: `(B, D)`.
    """
    return (F.normalize(student, dim=1) - F.normalize(teacher, dim=1)).square().sum(dim=1).mean()


def attention_transfer_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Squared distance of activation maps (Zagoruyko and Komodakis 2017, arXiv 1612.03928).

    A map is the sum over channels of squared activations, flattened over space and time and normalised.

    Args:
        student: feature maps `(B, D, T', H', W')`.
        teacher: feature maps of the same T', H' and W'.
    """

    def activation_map(features: torch.Tensor) -> torch.Tensor:
        return F.normalize(features.square().sum(dim=1).flatten(1), dim=1)  # (B, T'H'W')

    return (activation_map(student) - activation_map(teacher)).square().sum(dim=1).mean()
