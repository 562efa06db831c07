"""The page on which a person asks trained pipelines about an image; needs the extra ``serve``."""
