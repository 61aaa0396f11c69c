"""Parts that the pages share: frame, session, capture, answers, charts and wording."""
