"""What rows, data sets and protocols are called on a page."""

# Names of rows for people. Distilled and attending students all see the frames of our SR.
ROW_NAMES = {
    "teacher": "HR teacher",
    "plain": "plain (bicubic)",
    "nearest": "nearest",
    "espcn": "ESPCN",
    "fsrcnn": "FSRCNN",
    "sr": "our SR",
    "logit": "logit distillation",
    "feature": "feature distillation",
    "attention_transfer": "attention transfer",
    "all": "all three losses",
    "temporal": "temporal attention",
    "spatial": "spatial attention",
    "joint": "joint attention",
    "factorised": "factorised attention",
    "full": "full system",
    "own": "our SR network",
}
DATASET_NAMES = {
    "synthetic": "synthetic",
    "ixmas6": "IXMAS-6",
    "ixmas": "IXMAS",
    "hmdb21": "HMDB-21",
    "hmdb51": "HMDB-51",
}
PROTOCOL_NAMES = {
    "actor": "leave one actor out",
    "random": "random clips",
    "camera": "leave one camera out",
    "official": "official splits",
    "inner": "inner split",
}
