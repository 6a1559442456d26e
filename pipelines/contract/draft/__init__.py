"""A first contract out of sample events, for a person to correct: `sample` sees, the others guess, `folder` writes."""

from pipelines.contract.draft.folder import Draft, draft

__all__ = ["Draft", "draft"]
