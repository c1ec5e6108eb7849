"""Predictions of an image folder by a plain eager loop; prints them and the loop's seconds."""

from __future__ import annotations

import json
import sys
import time

import torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.models import ResNet50_Weights, resnet50


def main(folder: str) -> None:
    torch.manual_seed(0)
    model = resnet50(weights=None, num_classes=17).eval()
    dataset = ImageFolder(folder, transform=ResNet50_Weights.IMAGENET1K_V1.transforms())
    loader = DataLoader(dataset, batch_size=32, num_workers=2)
    predictions: list[int] = []
    start = time.perf_counter()
    with torch.inference_mode():
        for images, _ in loader:
            predictions += model(images).argmax(dim=1).tolist()
    seconds = time.perf_counter() - start
    sys.stdout.write(json.dumps({"seconds": seconds, "predictions": predictions}))


if __name__ == "__main__":
    main(sys.argv[1])
