"""What may happen, and where: the vocabulary of the reader. Plain data, no syntax trees.

Rules see nothing else, so each field says as much as reading can know and no more: a ``Value`` is
Known, OneOf, Pattern or Unknown, and an origin names what a logged value was made of. The modules
are by what a site is about; rules and the reader take all of them from here.
"""

from pl_lint.facts.sites.behaviour import (
    ContainerSite,
    ImportSite,
    MemberReadSite,
    ReadSite,
    RemovedNameSite,
    ReturnSite,
)
from pl_lint.facts.sites.calls import AssignmentSite, CallSite, GlobalSite, ItemSite, ReachSite
from pl_lint.facts.sites.classes import (
    CheckpointKeySite,
    ClassFacts,
    DeviceSite,
    HyperparameterSite,
    ListSite,
    MethodSite,
    ParameterSite,
    SchedulerSite,
)
from pl_lint.facts.sites.data import (
    WHOLE,
    AverageSite,
    FedSite,
    KeptSite,
    LayersSite,
    LengthSite,
    ListedSite,
    LoaderSite,
    StreamSite,
    ToldSite,
    UnsharedSite,
    made_of,
)
from pl_lint.facts.sites.logged import (
    ADDED,
    HeldSite,
    LogSite,
    MetricSite,
    MetricUse,
    StrayLog,
    within,
)
from pl_lint.facts.sites.programs import in_tests
from pl_lint.facts.sites.project import (
    CaseSite,
    CommentSlip,
    ProjectFacts,
    SlipKind,
    SuppressionSite,
)
from pl_lint.facts.sites.scripts import (
    Hands,
    LeftOutSite,
    MonitorSite,
    RestSite,
    SeedSite,
    SliceSite,
    SplitSite,
    TrainerCall,
    TrainerSite,
)
from pl_lint.facts.values import ABSENT, NO, YES

__all__ = [
    "ABSENT",
    "ADDED",
    "NO",
    "WHOLE",
    "YES",
    "AssignmentSite",
    "AverageSite",
    "CallSite",
    "CaseSite",
    "CheckpointKeySite",
    "ClassFacts",
    "CommentSlip",
    "ContainerSite",
    "DeviceSite",
    "FedSite",
    "GlobalSite",
    "Hands",
    "HeldSite",
    "HyperparameterSite",
    "ImportSite",
    "ItemSite",
    "KeptSite",
    "LayersSite",
    "LeftOutSite",
    "LengthSite",
    "ListSite",
    "ListedSite",
    "LoaderSite",
    "LogSite",
    "MemberReadSite",
    "MethodSite",
    "MetricSite",
    "MetricUse",
    "MonitorSite",
    "ParameterSite",
    "ProjectFacts",
    "ReachSite",
    "ReadSite",
    "RemovedNameSite",
    "RestSite",
    "ReturnSite",
    "SchedulerSite",
    "SeedSite",
    "SliceSite",
    "SlipKind",
    "SplitSite",
    "StrayLog",
    "StreamSite",
    "SuppressionSite",
    "ToldSite",
    "TrainerCall",
    "TrainerSite",
    "UnsharedSite",
    "in_tests",
    "made_of",
    "within",
]
