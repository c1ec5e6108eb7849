"""The stages of evidence: survey, availability, attention, transplant, joint, verdict."""
