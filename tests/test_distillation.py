"""The losses against values worked out apart: in float64 numpy, and on paper where that is short."""

import numpy as np
import pytest
import torch

from lrar.distillation import attention_transfer_loss, feature_loss, logit_loss

STUDENT = [[2.0, 0.5, -1.0], [0.0, 1.0, 0.0]]
TEACHER = [[1.0, 1.0, 0.0], [-1.0, 3.0, 0.5]]
# T^2 KL(teacher || student), mean over the two rows, by temperature. Worked out once with exactly rounded sums.
STORED = {1.0: 0.30873149, 2.0: 0.47782796, 4.0: 0.54505040}


def kullback_leibler(student: list, teacher: list, temperature: float) -> float:
    def softmax(logits: list) -> np.ndarray:
        powers = np.exp(np.array(logits, np.float64) / temperature)
        return powers / powers.sum(axis=1, keepdims=True)

    p, q = softmax(teacher), softmax(student)
    return float(np.mean(np.sum(p * np.log(p / q), axis=1)))


@pytest.mark.parametrize("temperature", STORED)
def test_logit_loss(temperature):
    loss = logit_loss(torch.tensor(STUDENT), torch.tensor(TEACHER), temperature=temperature).item()
    assert loss == pytest.approx(STORED[temperature], abs=1e-6)
    assert loss == pytest.approx(temperature**2 * kullback_leibler(STUDENT, TEACHER, temperature), abs=1e-6)
    # The other direction is another number.
    assert loss != pytest.approx(temperature**2 * kullback_leibler(TEACHER, STUDENT, temperature), abs=1e-3)


def test_logit_loss_on_paper():
    # Teacher (1/2, 1/2), student (3/4, 1/4): 1/2 log(2/3) + 1/2 log 2 = 1/2 log(4/3).
    student = torch.tensor([[3.0, 1.0]]).log()
    loss = logit_loss(student, torch.zeros(1, 2), temperature=1.0)
    assert loss.item() == pytest.approx(0.5 * np.log(4 / 3), abs=1e-6)


def test_temperature_leaves_the_size_of_the_gradient():
    """For high T the gradient tends to (student - teacher) / classes, both centred: it no longer depends on T."""
    gradients = {}
    for temperature in (200.0, 400.0):
        student = torch.tensor(STUDENT, requires_grad=True)
        logit_loss(student, torch.tensor(TEACHER), temperature=temperature).backward()
        gradients[temperature] = student.grad
    torch.testing.assert_close(gradients[200.0], gradients[400.0], rtol=0, atol=2e-3)
    difference = torch.tensor(STUDENT) - torch.tensor(TEACHER)
    expected = (difference - difference.mean(dim=1, keepdim=True)) / 3 / 2  # 3 classes, 2 rows
    torch.testing.assert_close(gradients[400.0], expected, rtol=0, atol=2e-3)


def test_feature_loss():
    # (3, 4) / 5 and (1, 0): (0.6 - 1)^2 + 0.8^2 = 0.8. Opposite ones: 4.
    student = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    teacher = torch.tensor([[7.0, 0.0], [0.0, -1.0]])
    assert feature_loss(student, teacher).item() == pytest.approx((0.8 + 4) / 2, abs=1e-6)
    assert feature_loss(100 * student, 0.01 * teacher).item() == pytest.approx(2.4, abs=1e-5)


def test_attention_transfer_loss():
    # Two channels at two places. Student: sums of squares 9 + 16, 0 -> (1, 0). Teacher: 3, 4 -> (0.6, 0.8).
    student = torch.tensor([[3.0, 0.0], [4.0, 0.0]]).view(1, 2, 2, 1, 1)
    teacher = torch.tensor([[1.0, 2.0], [2**0.5, 0.0]]).view(1, 2, 1, 2, 1)
    assert attention_transfer_loss(student, teacher.reshape(1, 2, 2, 1, 1)).item() == pytest.approx(0.8, abs=1e-6)


def test_attention_transfer_loss_against_numpy():
    random = np.random.default_rng(0)
    student, teacher = random.normal(size=(3, 4, 2, 3, 2)), random.normal(size=(3, 7, 2, 3, 2))

    def activation_map(features: np.ndarray) -> np.ndarray:
        flat = (features**2).sum(axis=1).reshape(len(features), -1)
        return flat / np.sqrt((flat**2).sum(axis=1, keepdims=True))

    expected = ((activation_map(student) - activation_map(teacher)) ** 2).sum(axis=1).mean()
    loss = attention_transfer_loss(torch.from_numpy(student), torch.from_numpy(teacher))
    assert loss.item() == pytest.approx(expected, abs=1e-12)


LOSSES = {
    "logit": (lambda s, t: logit_loss(s, t, temperature=4.0), (2, 5)),
    "feature": (feature_loss, (2, 8)),
    "attention_transfer": (attention_transfer_loss, (2, 8, 2, 2, 2)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_zero_when_equal_and_positive_else(name):
    loss, shape = LOSSES[name]
    torch.manual_seed(0)
    student, teacher = torch.randn(shape), torch.randn(shape)
    assert loss(student, student).item() == pytest.approx(0, abs=1e-6)
    assert loss(student, teacher).item() > 1e-3


@pytest.mark.parametrize("name", LOSSES)
def test_descent_brings_the_student_to_the_teacher(name):
    loss, shape = LOSSES[name]
    torch.manual_seed(0)
    student, teacher = torch.randn(shape, requires_grad=True), torch.randn(shape)
    before = loss(student, teacher)
    before.backward()
    with torch.no_grad():
        after = loss(student - 0.1 * student.grad, teacher)
    assert after < before
