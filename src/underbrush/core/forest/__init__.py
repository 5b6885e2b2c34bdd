"""The random forest: quantiser, nodes, training, prediction."""
