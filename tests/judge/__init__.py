"""The judge: fake origin, fault proxy, known media, independent verifier and runner for weir's scenario and fault tests.

It shares no code with the product. Standard library only; ffmpeg makes the media once and decodes finished files.
"""
