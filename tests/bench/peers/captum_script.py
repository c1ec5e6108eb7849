"""Predictions and Grad-CAM of an image folder with Captum; prints them and the loop's seconds."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.models import ResNet50_Weights, resnet50


def main(folder: str) -> None:
    torch.manual_seed(0)
    model = resnet50(weights=None, num_classes=17).eval()
    dataset = ImageFolder(folder, transform=ResNet50_Weights.IMAGENET1K_V1.transforms())
    loader = DataLoader(dataset, batch_size=32, num_workers=2)
    gradcam = LayerGradCam(model, model.layer4[-1])
    predictions: list[int] = []
    heatmaps: list[np.ndarray] = []
    start = time.perf_counter()
    for images, labels in loader:
        with torch.inference_mode():
            predictions += model(images).argmax(dim=1).tolist()
        maps = gradcam.attribute(images, target=labels, relu_attributions=True)
        heatmaps.append(maps.detach().numpy())
    collected = np.concatenate(heatmaps)
    seconds = time.perf_counter() - start
    result = {"seconds": seconds, "predictions": predictions, "heatmaps": len(collected)}
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1])
