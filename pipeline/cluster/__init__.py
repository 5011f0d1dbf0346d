"""Which faces of nobody known show one person: clusters of unit vectors, from a graph of nearest neighbours.

    graph      the neighbours of every vector that reach a threshold, exactly, in bounded memory
    whispers   Chinese whispers over that graph, under constraints
    threshold  which operating point says who is a neighbour
    clusters   graph and whispers, for faces that have identities

The outcome depends on the faces, not on their order: they are put in the order of their identities first, scores are
whole millionths, and every tie goes to the smaller identity. The threshold comes from an operating point.
"""

from pipeline.cluster.clusters import NEIGHBOURS, cluster
from pipeline.cluster.graph import MILLION, Graph, neighbour_graph
from pipeline.cluster.threshold import choose_cluster_point
from pipeline.cluster.whispers import chinese_whispers

__all__ = ["MILLION", "NEIGHBOURS", "Graph", "chinese_whispers", "choose_cluster_point", "cluster", "neighbour_graph"]
