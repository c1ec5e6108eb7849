"""Do attribution methods agree on where relevance lies, image by image and class by class?"""
