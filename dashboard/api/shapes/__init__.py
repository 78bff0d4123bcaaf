"""What the API answers: each shape as a model, from which its description is made."""

from dashboard.api.shapes.config import Checked, Flaw
from dashboard.api.shapes.heard import Account, Delivery, LastDelivery, Message, Project, Taken, Verified, WholeDelivery
from dashboard.api.shapes.images import KnownImage, Publication, WholeImage
from dashboard.api.shapes.part import Problem
from dashboard.api.shapes.places import (
    Cell,
    Deployment,
    Environment,
    Instance,
    Matrix,
    Pin,
    Service,
    Step,
    WholeDeployment,
)
from dashboard.api.shapes.runs import Image, Run, Spoken, Stage, Started
from dashboard.api.shapes.secrets import Gone, Secret
from dashboard.api.shapes.system import Ready, Up
from dashboard.api.shapes.tests import Artifact, Occasion, Test, TestHistory, TestResult

__all__ = [
    "Account",
    "Artifact",
    "Cell",
    "Checked",
    "Delivery",
    "Deployment",
    "Environment",
    "Flaw",
    "Gone",
    "Image",
    "Instance",
    "KnownImage",
    "LastDelivery",
    "Matrix",
    "Message",
    "Occasion",
    "Pin",
    "Problem",
    "Project",
    "Publication",
    "Ready",
    "Run",
    "Secret",
    "Service",
    "Spoken",
    "Stage",
    "Started",
    "Step",
    "Taken",
    "Test",
    "TestHistory",
    "TestResult",
    "Up",
    "Verified",
    "WholeDelivery",
    "WholeDeployment",
    "WholeImage",
]
