"""What rows, data sets and protocols are called on a page."""

# Names of rows for people. Distilled and attending students all see the frames of our SR.
ROW_NAMES = {
    "teacher": "HR teacher",
    "large_teacher": "HR teacher, twice the rows and frames",
    "plain": "plain (bicubic)",
    "nearest": "nearest",
    "espcn": "ESPCN",
    "fsrcnn": "FSRCNN",
    "sr": "our SR",
    "sr8": "our SR, x8",
    "logit": "logit distillation",
    "feature": "feature distillation",
    "mean_feature": "feature distillation before attention",
    "attention_transfer": "attention transfer",
    "all": "all three losses",
    "all_mean": "all three, features before attention",
    "temporal": "temporal attention",
    "spatial": "spatial attention",
    "joint": "joint attention",
    "factorised": "factorised attention",
    "heads1": "joint attention, 1 head",
    "heads2": "joint attention, 2 heads",
    "heads8": "joint attention, 8 heads",
    "pixels3072": "plain, 3072 pixels",
    "pixels768": "plain, 768 pixels",
    "pixels48": "plain, 48 pixels",
    "pixels12": "plain, 12 pixels",
    "full": "full system",
    "own": "our SR network",
    "own8": "our SR network, x8",
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
