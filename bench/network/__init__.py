"""A synthetic network (合成ネットワーク): the same seed gives the same partners, people and events, byte for byte."""
