"""The charts of the report, one room per subject. No estimate is made here, and nothing is laid out."""
