"""Web page on which trained pipelines predict uploaded images; needs the extra ``serve``."""
