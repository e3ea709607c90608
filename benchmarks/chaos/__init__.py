"""Faults against a running bridge: is anything lost that was acknowledged, or anything there twice?"""
