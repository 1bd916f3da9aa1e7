"""The peers: the same questions asked of what else one could have built. None of them knows authorization."""
